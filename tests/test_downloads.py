"""Downloads from a server on this machine: whole, resumed, and wrong in several ways."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from nasdmrl.data.archives import ArchiveFile
from nasdmrl.data.catalogue import SOURCES
from nasdmrl.data.download import download, fetch
from nasdmrl.errors import DataError

CONTENT = np.random.RandomState(0).bytes(3_000_000)
SIZE = len(CONTENT)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT; /whole ignores ranges, /broken stops half-way, /missing is not there."""

    ranges: tuple[str, ...] = ()

    def do_GET(self):
        asked = self.headers.get("Range", "")
        type(self).ranges += (asked,)
        if self.path == "/missing":
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.path != "/whole" else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = len(CONTENT) // 2 if self.path == "/broken" else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Handler.ranges = ()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def archive(url, size=SIZE, md5=MD5):
    return ArchiveFile(url, size, md5)


def test_whole_file(server, tmp_path):
    fetch(archive(f"{server}/a"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1


def test_broken_connection_is_resumed(server, tmp_path):
    with pytest.raises(DataError, match=r"bytes are kept in .*a\.zip\.part, run again to go on|run again to go on"):
        fetch(archive(f"{server}/broken"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip.part").stat().st_size > 0
    assert not (tmp_path / "a.zip").exists()
    fetch(archive(f"{server}/a"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT
    assert Handler.ranges[-1].startswith("bytes=")


def test_server_without_ranges_sends_all_again(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:1000])
    fetch(archive(f"{server}/whole"), tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "size", "md5", "message"),
    [
        ("a", len(CONTENT), "0" * 32, "the MD5 is not 0000"),
        ("a", len(CONTENT) - 5, MD5, "bytes arrived, expected"),
        ("missing", len(CONTENT), MD5, "404"),
    ],
)
def test_wrong_files_are_refused(server, tmp_path, path, size, md5, message):
    with pytest.raises(DataError, match=message):
        fetch(archive(f"{server}/{path}", size, md5), tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_size_is_named_before_it_starts_and_whole_files_are_kept(tmp_path, capsys):
    names = [file.name for file in SOURCES["vgg_flower"].files]
    for name in names:
        (tmp_path / name).write_bytes(b"here already")
    assert [path.name for path in download("vgg_flower", tmp_path, names)] == names
    assert "102flowers.tgz, 344.9 MB, from https://" in capsys.readouterr().err
