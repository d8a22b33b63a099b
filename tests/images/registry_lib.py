"""Registries on loopback: Debian's docker-registry, and one that misbehaves as told."""

import http.server
import os
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

from image_lib import *

MANIFEST = OCI + "manifest.v1+json"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class DockerRegistry:
    """Debian's, with or without htpasswd's users."""

    def __init__(self, folder, users=None):
        self.port = free_port()
        self.host = f"localhost:{self.port}"
        os.makedirs(folder)
        auth = ""
        if users:
            lines = [must("htpasswd", "-nbB", name, word).stdout.strip() for name, word in users.items()]
            with open(folder + "/htpasswd", "w") as file:
                file.write("\n".join(lines) + "\n")
            auth = f"auth:\n  htpasswd:\n    realm: test\n    path: {folder}/htpasswd\n"
        with open(folder + "/config.yml", "w") as file:
            file.write(f"version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {folder}/data\n"
                       f"http:\n  addr: 127.0.0.1:{self.port}\n{auth}")
        self.process = subprocess.Popen(["docker-registry", "serve", folder + "/config.yml"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        while self.process.poll() is None:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"docker-registry ends with {self.process.returncode}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Fake:
    """Serves documents and blobs from memory. `behave(handler, path)` may answer in its own way, and returns True then."""

    def __init__(self, tls=None):
        self.blobs, self.manifests, self.requests = {}, {}, []
        self.behave = lambda handler, path: False
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                fake.requests.append((self.path, dict(self.headers)))
                if not fake.behave(self, self.path):
                    fake.serve(self, self.path)

            def do_POST(self):
                length = int(self.headers.get("Content-Length", 0))
                self.form = self.rfile.read(length).decode()
                self.do_GET()

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *words: None  # clients that hang up are what some tests are about
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler, status, body=b"", **headers):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return True

    def serve(self, handler, path):
        name = path.rsplit("/", 1)[-1]
        if "/manifests/" in path and name in self.manifests:
            kind, text = self.manifests[name]
            return self.answer(handler, 200, text, Content_Type=kind)
        if "/blobs/" in path and name in self.blobs:
            data = self.blobs[name]
            match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
            if match:
                start = int(match[1])
                return self.answer(handler, 206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
            return self.answer(handler, 200, data)
        return self.answer(handler, 200 if path == "/v2/" else 404, b"{}")

    def take(self, layout, tag="t"):
        """All that a layout has; the last image gets the tag."""
        for entry in os.listdir(layout.path + "/blobs/sha256"):
            with open(f"{layout.path}/blobs/sha256/{entry}", "rb") as file:
                self.blobs["sha256:" + entry] = file.read()
        for descriptor in layout.index:
            text = self.blobs[descriptor["digest"]]
            self.manifests[descriptor["digest"]] = self.manifests[tag] = (descriptor["mediaType"], text)


def cut(fake, handler, data, after):
    """Says that all of `data` comes, and ends after some of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[:after])
    handler.wfile.flush()
    handler.close_connection = True
    return True
