import asyncio

import pytest

from fer.app.headers import SecurityHeaders, build_policy, hash_scripts

PAGE = b"<html><script>run()</script><script type='module' src='./a.js'></script></html>"


def answer(path, content_type, *parts, head=""):
    """Return the headers and the body of an answer that an application sends in parts."""
    sent = []

    async def app(scope, receive, send):
        headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % sum(map(len, parts)))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    async def send(message):
        sent.append(message)

    asyncio.run(SecurityHeaders(app, head)({"type": "http", "path": path}, None, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return headers, b"".join(message["body"] for message in sent[1:])


def read_policy(headers):
    directives = (directive.split(" ") for directive in headers["content-security-policy"].split("; "))
    return {name: sources for name, *sources in directives}


def test_only_inline_scripts_are_hashed():
    assert len(hash_scripts(PAGE)) == 1
    assert hash_scripts(b"<script>one</script>") == hash_scripts(b"<p/><script data-x>one</script>")
    assert hash_scripts(b"<script>one</script>") != hash_scripts(b"<script>two</script>")


def test_a_script_has_its_sha256_as_a_source():
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha256(b"run()").digest()).decode()
    assert hash_scripts(PAGE) == [f"'sha256-{digest}'"]


def test_a_page_allows_its_own_scripts_and_those_added_in_the_browser():
    headers, body = answer("/", "text/html; charset=utf-8", PAGE[:20], PAGE[20:], head="<script>head()</script>")
    assert body == PAGE
    sources = read_policy(headers)["script-src"]
    assert set(sources) == {"'self'", "'unsafe-eval'", *hash_scripts(PAGE), *hash_scripts(b"<script>head()</script>")}
    assert "'unsafe-inline'" not in sources


def test_a_page_loads_nothing_from_other_hosts():
    policy = read_policy(answer("/", "text/html", PAGE)[0])
    foreign = {source for name, sources in policy.items() if name != "frame-ancestors" for source in sources}
    allowed = {"'none'", "'self'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:", *hash_scripts(PAGE)}
    assert foreign <= allowed
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'self'", "https://huggingface.co", "https://*.hf.space"]


@pytest.mark.parametrize("path", ["/gradio_api/file=/tmp/evil.html", "/file=/tmp/evil.svg"])
def test_no_script_in_an_uploaded_file_runs(path):
    headers, body = answer(path, "text/html", PAGE)
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["x-content-type-options"] == "nosniff"
    assert body == PAGE


def test_only_workers_run_blobs():
    assert "blob:" in read_policy(answer("/assets/worker.js", "text/javascript", b"run()")[0])["script-src"]
    assert "blob:" not in read_policy(answer("/", "text/html", PAGE)[0])["script-src"]


def test_every_answer_has_the_headers():
    headers, _ = answer("/config", "application/json", b"{}")
    assert headers["content-security-policy"] == build_policy([])
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"].startswith("camera=(self)")
