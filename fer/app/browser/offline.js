// Service worker: keeps all files of the page, so that it opens without a connection.
const version = new URL(location.href).searchParams.get("version");

addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const { files } = await (await fetch("settings.json")).json();
      await (await caches.open(version)).addAll(files);
      await skipWaiting();
    })(),
  );
});

addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const names = await caches.keys();
      await Promise.all(names.filter((name) => name !== version).map((name) => caches.delete(name)));
      await clients.claim();
    })(),
  );
});

addEventListener("fetch", (event) => {
  event.respondWith(
    (async () => {
      const cached = await caches.match(event.request, { ignoreSearch: true });
      // The settings name the version, so they are fetched anew whenever there is a fast connection.
      if (cached && event.request.url.endsWith("settings.json")) return fetch(event.request, { signal: AbortSignal.timeout(3000) }).catch(() => cached);
      return cached ?? fetch(event.request);
    })(),
  );
});
