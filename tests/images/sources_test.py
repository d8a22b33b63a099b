"""Where krata takes images from: registries, well-behaved and not, docker-archive files, and its store.

usage: sources_test.py KRATA
"""

import base64
import json
import os
import shutil
import signal
import sys
import tarfile
import threading
import time
import unittest

from image_lib import *
from registry_lib import *

KRATA = ""


class Base(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="krata-sources-")
        self.addCleanup(folder.cleanup)
        self.scratch = folder.name
        self.layout = Layout(self.scratch + "/layout")
        self.store = self.scratch + "/store"
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "REGISTRY", "DOCKER"))}
        self.env["HOME"] = self.scratch + "/home"

    def krata(self, *words, **env):
        return run(KRATA, "image", *words, env={**self.env, **env})

    def pack(self, source, *words, **env):
        file = self.scratch + "/packed"
        if os.path.exists(file):
            os.unlink(file)
        done = self.krata("pack", source, file, "-o", "json", *words, **env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def refused(self, source, reason, *words, code=1, **env):
        done = self.krata("pack", source, self.scratch + "/refused", *words, **env)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, reason)
        self.assertEqual([name for name in os.listdir(self.scratch) if "refused" in name or name.startswith(".")], [])

    def names(self):
        done = must("unsquashfs", "-ls", "-d", "", self.scratch + "/packed")
        return sorted(line for line in done.stdout.splitlines() if line)


def small(name="a", data=b"1"):
    return Layer().file(name, data).bytes()


class ArchiveTest(Base):
    def save(self, members, kind="w"):
        path = self.scratch + "/saved.tar"
        with tarfile.open(path, kind) as tar:
            for name, data in members:
                info = tarfile.TarInfo(name)
                if isinstance(data, str):
                    info.type, info.linkname = tarfile.SYMTYPE, data
                    tar.addfile(info)
                else:
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        return "docker-archive:" + path

    def parts(self, layers, paths=None):
        config = json.dumps({"os": "linux", "architecture": "amd64", "config": {},
                             "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]}}).encode()
        name = sha256(config)[7:] + ".json"
        paths = paths or [f"{i}/layer.tar" for i in range(len(layers))]
        saved = json.dumps([{"Config": name, "RepoTags": ["a:t"], "Layers": paths}]).encode()
        return config, [(name, config), ("manifest.json", saved)], list(zip(paths, layers))

    def test_as_docker_saves_it(self):
        _, documents, layers = self.parts([small("a"), small("b")])
        for kind in ("w", "w:gz"):
            source = self.save(layers + documents, kind)
            answer = self.pack(source)
            self.assertEqual(self.names(), ["/a", "/b"])
            self.assertEqual(answer["config"]["architecture"], "amd64")
        raw = must("skopeo", "inspect", "--raw", self.save(layers + documents)).stdout
        self.assertEqual(answer["digest"], sha256(raw.encode()))

    def test_as_skopeo_writes_it(self):
        self.layout.image([small("a"), small("b"), small("a", b"2")])
        path = self.scratch + "/skopeo.tar"
        must("skopeo", "--insecure-policy", "copy", f"oci:{self.layout.path}:t", f"docker-archive:{path}:x/y:z")
        answer = self.pack("docker-archive:" + path)
        self.assertEqual(answer["digest"], sha256(must("skopeo", "inspect", "--raw", "docker-archive:" + path).stdout.encode()))
        self.assertEqual(self.names(), ["/a", "/b"])

    def test_links_between_layers_and_compressed_ones(self):
        layer = small("a")
        _, documents, _ = self.parts([layer, layer, layer], ["one/layer.tar", "two/layer.tar", "three/layer.tar"])
        source = self.save([("one/layer.tar", layer), ("two/layer.tar", "../one/layer.tar"),
                            ("three/layer.tar", gzip.compress(layer))] + documents)
        answer = self.pack(source)
        self.assertEqual(self.names(), ["/a"])
        self.assertEqual(answer["digest"], sha256(must("skopeo", "inspect", "--raw", source).stdout.encode()))

    def test_refusals(self):
        config, documents, layers = self.parts([small("a")])
        self.refused(self.save(layers), "no file \"manifest.json\"")
        self.refused(self.save(documents), "no file \"0/layer.tar\"")
        self.refused(self.save([("0/layer.tar", small("other"))] + documents), "unpacks to|is said to be")
        self.refused(self.save(layers + [(documents[0][0], config + b" "), documents[1]]), "the configuration .* is sha256")
        self.refused(self.save(layers + [documents[0], ("manifest.json", b"{}")]), "no JSON list")
        self.refused(self.save(layers + [documents[0], ("manifest.json", b"[{},{}]")]), "2 images, not one")
        self.refused(self.save([("0/layer.tar", "layer.tar")] + documents), "too many links")
        self.refused("docker-archive:" + self.scratch + "/none", "is not there")


class RegistryTest(Base):
    def fake(self, **more):
        fake = Fake(**more)
        self.addCleanup(fake.stop)
        return fake

    def docker_registry(self, **more):
        registry = DockerRegistry(self.scratch + "/registry", **more)
        self.addCleanup(registry.stop)
        return registry

    def push(self, registry, name, *words):
        must("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", *words, f"oci:{self.layout.path}:t",
             f"docker://{registry.host}/{name}")

    def auth_file(self, host, user="user", word="word", key="auth"):
        path = self.scratch + "/auth"
        os.makedirs(path, exist_ok=True)
        with open(path + "/config.json", "w") as file:
            json.dump({"auths": {host: {"auth": base64.b64encode(f"{user}:{word}".encode()).decode()}}}, file)
        return path

    # --- Debian's registry ---

    def test_docker_registry(self):
        self.layout.image([small("a", os.urandom(3000000)), small("b"), small("c")])
        registry = self.docker_registry()
        self.push(registry, "team/app:1")
        self.push(registry, "team/app:docker", "--format", "v2s2")
        for tag in ("1", "docker"):
            raw = must("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{registry.host}/team/app:{tag}").stdout
            answer = self.pack(f"{registry.host}/team/app:{tag}")
            self.assertEqual(answer["digest"], sha256(raw.encode()))
            self.assertEqual(self.names(), ["/a", "/b", "/c"])
        self.assertEqual(self.pack(f"{registry.host}/team/app@{answer['digest']}")["digest"], answer["digest"])
        self.assertEqual(self.pack("team/app:docker", KRATA_REGISTRY=registry.host)["digest"], answer["digest"])
        self.refused(f"{registry.host}/team/app:none", "answers 404 \\(manifest unknown\\)")

    def test_basic_credentials(self):
        self.layout.image([small("a")])
        registry = self.docker_registry(users={"user": "word"})
        self.push(registry, "app:1", "--dest-creds", "user:word")
        source = registry.host + "/app:1"
        self.refused(source, "asks for a user and a password")
        folder = self.auth_file(registry.host)
        self.pack(source, DOCKER_CONFIG=folder)
        self.pack(source, REGISTRY_AUTH_FILE=folder + "/config.json")
        os.makedirs(self.env["HOME"])
        shutil.copytree(folder, self.env["HOME"] + "/.docker")
        self.pack(source)
        self.refused(source, "does not let this user pull", DOCKER_CONFIG=self.auth_file(registry.host, word="wrong"))

    # --- Platforms ---

    def test_platforms(self):
        layout = self.layout
        each = {}
        for arch, variant in (("arm64", "v8"), ("amd64", ""), ("arm", "v7")):
            each[arch] = layout.image([small(arch)], tag=None, platform=("linux", arch))
            layout.index[-1]["platform"] = {"os": "linux", "architecture": arch, **({"variant": variant} if variant else {})}
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": list(layout.index)}
        docker = {**index, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"}
        for document in (index, docker):
            layout.index.clear()
            layout.add(json.dumps(document).encode(), "t", document["mediaType"])
            fake = self.fake()
            fake.take(layout)
            for descriptor in index["manifests"]:
                fake.manifests[descriptor["digest"]] = (MANIFEST, fake.blobs[descriptor["digest"]])
            for source in (f"oci:{layout.path}:t", fake.host + "/a:t"):
                for arch in each:
                    self.assertEqual(self.pack(source, "--platform", "linux/" + arch)["digest"], each[arch])
                    self.assertEqual(self.names(), ["/" + arch])
                self.refused(source, "not for linux/s390x, only for linux/arm64/v8, linux/amd64, linux/arm/v7",
                             "--platform", "linux/s390x")
        layout.index.clear()
        layout.image([small("a")], platform=("linux", "riscv64"))
        self.refused(f"oci:{layout.path}", "is for linux/riscv64, not for linux/amd64; see --platform", "--platform", "linux/amd64")

    # --- Tokens ---

    def token_registry(self, want=lambda handler: True):
        fake = self.fake()
        self.layout.image([small("a")])
        fake.take(self.layout)

        def behave(handler, path):
            if path.startswith("/token"):
                handler.fine = want(handler)
                return fake.answer(handler, 200 if handler.fine else 401, json.dumps({"token": "t0k"}).encode())
            if path.startswith("/v2/a") and handler.headers.get("Authorization") != "Bearer t0k":
                return fake.answer(handler, 401, WWW_Authenticate=f'Bearer realm="http://{fake.host}/token",'
                                                                  'service="the, service",scope="repository:a:pull"')
            return False

        fake.behave = behave
        return fake

    def test_bearer_tokens(self):
        fake = self.token_registry()
        self.pack(fake.host + "/a:t")
        asked = [path for path, _ in fake.requests if path.startswith("/token")]
        self.assertEqual(asked, ["/token?service=the%2C%20service&scope=repository%3Aa%3Apull"])

    def test_bearer_tokens_for_users(self):
        expected = "Basic " + base64.b64encode(b"user:word").decode()
        fake = self.token_registry(lambda handler: handler.headers.get("Authorization") == expected)
        self.pack(fake.host + "/a:t", DOCKER_CONFIG=self.auth_file("http://" + fake.host + "/v1/"))
        self.refused(fake.host + "/a:t", "token server refuses the user or the password",
                     DOCKER_CONFIG=self.auth_file(fake.host, word="wrong"))
        self.refused(fake.host + "/a:t", "token server refuses to serve anybody")

    def test_a_token_server_in_the_clear_elsewhere_gets_nothing(self):
        fake = self.token_registry()
        fake.behave = lambda handler, path: path.startswith("/v2/a") and fake.answer(
            handler, 401, WWW_Authenticate='Bearer realm="http://192.0.2.1/token"')
        self.refused(fake.host + "/a:t", "token server on plain HTTP", DOCKER_CONFIG=self.auth_file(fake.host))

    # --- Redirects ---

    def redirecting(self, target):
        fake = self.fake()
        self.layout.image([small("a")])
        fake.take(self.layout)
        expected = "Basic " + base64.b64encode(b"user:word").decode()

        def behave(handler, path):
            if path.startswith("/v2/a") and handler.headers.get("Authorization") != expected:
                return fake.answer(handler, 401, WWW_Authenticate="Basic realm=x")
            return "/blobs/" in path and fake.answer(handler, 307, Location=target(path))

        fake.behave = behave
        return fake

    def test_credentials_stay_with_the_registry(self):
        other = self.fake()
        fake = self.redirecting(lambda path: f"http://{other.host}{path}")
        other.take(self.layout)
        self.pack(fake.host + "/a:t", DOCKER_CONFIG=self.auth_file(fake.host))
        self.assertTrue([1 for path, headers in fake.requests if headers.get("Authorization")])
        self.assertTrue([1 for path, _ in other.requests if "/blobs/" in path])
        self.assertEqual([headers for _, headers in other.requests if headers.get("Authorization")], [])

    def test_redirects_end(self):
        fake = self.redirecting(lambda path: path)
        self.refused(fake.host + "/a:t", "more than 5 redirects", DOCKER_CONFIG=self.auth_file(fake.host))
        fake = self.redirecting(lambda path: "http://192.0.2.1" + path)
        self.refused(fake.host + "/a:t", "leads to plain HTTP on 192.0.2.1", DOCKER_CONFIG=self.auth_file(fake.host))
        fake = self.redirecting(lambda path: "file:///etc/passwd")
        self.refused(fake.host + "/a:t", "no URL of HTTP", DOCKER_CONFIG=self.auth_file(fake.host))

    def test_plain_http_elsewhere(self):
        # A name that is not loopback's, though it leads there.
        host = socket.gethostname()
        self.refused(f"{host}:1/a:t", "^krata: ", code=2)
        fake = self.fake()
        done = self.krata("pack", f"0.0.0.0:{fake.port}/a:t", self.scratch + "/refused")
        self.assertEqual(done.returncode, 2)
        self.assertEqual([path for path, _ in fake.requests], [])
        self.layout.image([small("a")])
        fake.take(self.layout)
        self.pack(f"0.0.0.0:{fake.port}/a:t", "--plain-http")

    # --- TLS ---

    def certificate(self, name="127.0.0.1"):
        cert, key = self.scratch + "/cert.pem", self.scratch + "/key.pem"
        must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
             cert, "-days", "2", "-subj", "/CN=test", "-addext", f"subjectAltName=IP:{name}")
        return cert, key

    def test_tls(self):
        cert, key = self.certificate()
        fake = self.fake(tls=(cert, key))
        self.layout.image([small("a")])
        fake.take(self.layout)
        self.refused(fake.host + "/a:t", "certificate.*certs.d")
        self.pack(fake.host + "/a:t", SSL_CERT_FILE=cert)
        folder = f"{self.env['HOME']}/.config/containers/certs.d/{fake.host}"
        os.makedirs(folder)
        shutil.copy(cert, folder + "/ca.crt")
        self.pack(fake.host + "/a:t")
        plain = self.fake()
        fake.behave = lambda handler, path: "/blobs/" in path and fake.answer(handler, 302, Location=f"http://{plain.host}{path}")
        self.refused(fake.host + "/a:t", "from HTTPS to plain HTTP")
        self.assertEqual(plain.requests, [])

    def test_tls_of_another_host(self):
        cert, key = self.certificate("192.0.2.7")
        fake = self.fake(tls=(cert, key))
        self.refused(fake.host + "/a:t", "krata: ", SSL_CERT_FILE=cert)

    # --- Broken and lying ones ---

    def broken(self, behave, size=3000000):
        fake = self.fake()
        data = os.urandom(size)
        self.layout.index.clear()
        self.layout.image([small("a", data)], compress=lambda layer: layer, media_type=OCI + "layer.v1.tar")
        fake.take(self.layout)
        fake.layer = sha256(small("a", data))
        fake.behave = lambda handler, path: path.endswith(fake.layer) and behave(fake, handler, fake.blobs[fake.layer])
        return fake

    def test_downloads_go_on_where_they_broke_off(self):
        def behave(fake, handler, data):
            match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
            start = int(match[1]) if match else 0
            seen.append(start)
            if len(seen) == 4:
                return False
            handler.send_response(206 if match else 200)
            handler.send_header("Content-Length", str(len(data) - start))
            if match:
                handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            handler.end_headers()
            handler.wfile.write(data[start:start + 700000])
            handler.close_connection = True
            return True

        seen = []
        self.pack(self.broken(behave).host + "/a:t")
        self.assertEqual(seen, [0, 700000, 1400000, 2100000])

    def test_a_registry_without_ranges(self):
        def behave(fake, handler, data):
            tries.append(1)
            return cut(fake, handler, data, 1000000) if len(tries) < 3 else fake.answer(handler, 200, data)

        tries = []
        self.pack(self.broken(behave).host + "/a:t")
        self.assertEqual(len(tries), 3)

    def test_errors_that_pass(self):
        def behave(fake, handler, data):
            tries.append(1)
            return len(tries) < 3 and fake.answer(handler, 503 if len(tries) == 1 else 429)

        tries = []
        self.pack(self.broken(behave).host + "/a:t")

    def test_lies(self):
        self.refused(self.broken(lambda fake, handler, data: cut(fake, handler, data, 500000)).host + "/a:t",
                     "after 6 attempts: .*(ended|outstanding|transfer|remaining)")
        self.refused(self.broken(lambda fake, handler, data: fake.answer(handler, 200, data + b"x")).host + "/a:t",
                     "more than the [0-9]+ bytes")
        self.refused(self.broken(lambda fake, handler, data: fake.answer(handler, 200, bytes(len(data)))).host + "/a:t",
                     "what is said to be sha256:.* is sha256:")
        self.refused(self.broken(lambda fake, handler, data: fake.answer(handler, 404)).host + "/a:t", "answers 404")
        self.refused(self.broken(lambda fake, handler, data: fake.answer(handler, 200, data[:-1])).host + "/a:t", "after 6 attempts")

    def test_lies_about_manifests(self):
        fake = self.broken(lambda *_: False)
        good = fake.manifests["t"]
        digest = sha256(good[1])
        fake.manifests[digest] = (good[0], good[1] + b" ")
        self.refused(f"{fake.host}/a@{digest}", "what the registry gives for .* is sha256")
        fake.behave = lambda handler, path: path.endswith("/t") and fake.answer(
            handler, 200, good[1], Content_Type=good[0], Docker_Content_Digest="sha256:" + "0" * 64)
        self.refused(fake.host + "/a:t", "says that the manifest is sha256:0000")
        fake.behave = lambda handler, path: path.endswith("/t") and fake.answer(handler, 200, b" " * (5 << 20), Content_Type=good[0])
        self.refused(fake.host + "/a:t", "more than 4194304 bytes")
        fake.behave = lambda handler, path: path.endswith("/t") and fake.answer(handler, 200, good[1], Content_Type=OCI + "index.v1+json")
        self.refused(fake.host + "/a:t", "said to be .*index.* says that it is .*manifest")
        fake.behave = lambda handler, path: path.endswith("/t") and fake.answer(
            handler, 200, good[1], Content_Type=good[0], **{f"X-{i}": "y" * 7000 for i in range(10)})
        self.refused(fake.host + "/a:t", "headers are larger|[Tt]oo large")

    def test_nobody_there(self):
        self.refused(f"127.0.0.1:{free_port()}/a:t", "[Cc]onnect", code=2)


class StoreTest(Base):
    def image(self, *words, code=0):
        done = self.krata(words[0], "--store", self.store, "-o", "json", *words[1:])
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(done.stdout)

    def blobs(self):
        return sorted(os.listdir(self.store + "/blobs/sha256"))

    def test_from_import_to_prune(self):
        one = self.layout.image([small("shared"), small("a")], tag="one")
        two = self.layout.image([small("shared"), small("b")], tag="two")
        for tag, digest in (("one", one), ("two", two)):
            answer = self.image("import", f"oci:{self.layout.path}:{tag}", "app:" + tag)
            self.assertEqual((answer["name"], answer["digest"]), ("localhost/app:" + tag, digest))
        self.assertEqual(len(self.blobs()), 7)  # the shared layer once
        self.assertEqual([image["name"] for image in self.image("list")["images"]], ["localhost/app:one", "localhost/app:two"])
        shown = self.image("show", "app:one")
        self.assertEqual(shown["config"]["config"]["Env"], ["A=b"])
        self.assertEqual(len(shown["layers"]), 2)
        self.image("remove", "app:one")
        self.assertIn("there is no image localhost/app:one", self.image("show", "app:one", code=1)["error"])
        self.assertEqual(self.image("prune")["blobs"], 3)
        self.assertEqual(len(self.blobs()), 4)
        self.image("show", "app:two")
        self.image("remove", "app:two", "app:one", code=1)
        self.image("prune")
        self.assertEqual(self.blobs(), [])

    def test_packs_what_it_has(self):
        digest = self.layout.image([small("shared"), small("a")], tag="one", platform=("linux", "arm64"))
        source, there = f"oci:{self.layout.path}:one", ("--platform", "linux/arm64")
        self.image("import", source, "app:one", *there)
        self.pack(source, *there)
        with open(self.scratch + "/packed", "rb") as file:
            expected = file.read()
        self.assertEqual(self.pack("store:app:one", "--store", self.store)["digest"], digest)
        with open(self.scratch + "/packed", "rb") as file:
            self.assertEqual(file.read(), expected)
        self.refused("store:app:one", "is for linux/arm64, not for linux/amd64", "--store", self.store, "--platform", "linux/amd64")
        self.refused("store:app:two", "there is no image localhost/app:two", "--store", self.store)
        layer = self.image("show", "app:one")["layers"][0]["digest"]
        with open(f"{self.store}/blobs/{layer.replace(':', '/')}", "r+b") as file:
            file.seek(4)  # gzip's time: it unpacks to the same
            file.write(b"xxxx")
        self.refused("store:app:one", "is said to be sha256:.* is sha256:", "--store", self.store)
        os.unlink(f"{self.store}/blobs/{layer.replace(':', '/')}")
        self.refused("store:app:one", "the store lacks sha256:.*; pull the image again", "--store", self.store)

    def test_a_full_disk(self):
        disk = self.scratch + "/disk"
        os.mkdir(disk)
        must("mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk)
        self.addCleanup(run, "umount", disk)
        self.layout.image([small("a"), small("b", os.urandom(1 << 20))], tag="large")
        source = f"oci:{self.layout.path}:large"
        self.store = disk + "/store"
        self.assertRegex(self.image("import", source, "app:large", code=2)["error"], "is full; krata image prune frees .*No space left on device")
        self.assertEqual(self.image("list")["images"], [])
        done = self.krata("pack", source, disk + "/packed")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "No space left on device")
        self.assertEqual(os.listdir(disk), ["store"])
        must("mount", "-o", "remount,size=16m", disk)
        self.image("import", source, "app:large")
        self.image("show", "app:large")
        must("mount", "-o", "remount,size=%d" % (4096 * (os.statvfs(disk).f_blocks - os.statvfs(disk).f_bfree + 8)), disk)
        done = self.krata("pack", "store:app:large", disk + "/packed", "--store", self.store)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, "No space left on device")
        self.assertEqual(os.listdir(disk), ["store"])
        self.assertEqual(len(self.image("list")["images"]), 1)

    def test_many_begin_a_store_at_once(self):
        for _ in range(5):
            shutil.rmtree(self.store, ignore_errors=True)
            for process in [self.start("list") for _ in range(8)]:
                _, err = process.communicate()
                self.assertEqual(process.returncode, 0, err.decode())

    def test_not_a_store(self):
        os.makedirs(self.store)
        with open(self.store + "/precious", "w"):
            pass
        self.assertIn("no store of images", self.image("list", code=1)["error"])
        self.assertEqual(os.listdir(self.store), ["precious"])

    def halting(self):
        """A registry whose only layer stops in the middle until `fake.go` is set."""
        fake = Fake()
        self.addCleanup(fake.stop)
        data = small("a", os.urandom(2000000))
        self.layout.image([data], compress=lambda layer: layer, media_type=OCI + "layer.v1.tar")
        fake.take(self.layout)
        fake.layer = sha256(data)
        fake.sent = []
        fake.go = threading.Event()
        self.addCleanup(fake.go.set)

        def behave(handler, path):
            if not path.endswith(fake.layer):
                return False
            match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
            start = int(match[1]) if match else 0
            middle = start + (len(data) - start) // 4
            fake.sent.append(start)
            handler.send_response(206 if match else 200)
            handler.send_header("Content-Length", str(len(data) - start))
            if match:
                handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            handler.end_headers()
            try:
                handler.wfile.write(data[start:middle])
                fake.go.wait()
                handler.wfile.write(data[middle:])
            except OSError:
                pass
            return True

        fake.behave = behave
        return fake

    def start(self, *words):
        return subprocess.Popen([KRATA, "image", words[0], "--store", self.store, *words[1:]], env=self.env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_killed_again_and_again(self):
        fake = self.halting()
        part = f"{self.store}/partial/{fake.layer.replace(':', '-')}"
        have = 0
        for _ in range(3):
            process = self.start("pull", fake.host + "/a:t")
            while process.poll() is None and not (os.path.exists(part) and os.path.getsize(part) > have):
                time.sleep(0.01)
            process.kill()
            have = os.path.getsize(part)
            process.communicate()
        self.assertEqual(self.image("list")["images"], [])
        fake.go.set()
        self.image("pull", fake.host + "/a:t")
        self.assertGreater(max(fake.sent), 0)  # it went on where it was
        self.assertEqual(os.listdir(self.store + "/partial"), [])
        self.assertEqual(len(self.image("list")["images"]), 1)

    def test_a_partial_blob_that_is_damaged(self):
        fake = self.halting()
        fake.go.set()
        self.image("list")
        with open(f"{self.store}/partial/{fake.layer.replace(':', '-')}", "wb") as file:
            file.write(b"x" * 1000)
        self.image("pull", fake.host + "/a:t")
        self.assertEqual(fake.sent, [1000, 0])

    def test_a_pull_replaces_what_is_damaged(self):
        fake = self.halting()
        fake.go.set()
        name = fake.host + "/a:t"
        self.image("pull", name)
        sound = {blob: os.path.getsize(f"{self.store}/blobs/sha256/{blob}") for blob in self.blobs()}
        for cut in (False, True):
            for blob, size in sound.items():
                path = f"{self.store}/blobs/sha256/{blob}"
                os.chmod(path, 0o644)
                with open(path, "r+b") as file:
                    file.truncate(size // 2) if cut else file.write(b"\xff" * 4)
            fake.sent.clear()
            done = self.krata("pull", "--store", self.store, name)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr.count("is damaged in the store: fetched anew"), 3)
            self.assertEqual(fake.sent, [0])
            for blob, size in sound.items():
                with open(f"{self.store}/blobs/sha256/{blob}", "rb") as file:
                    self.assertEqual(sha256(file.read()), "sha256:" + blob)
        fake.sent.clear()
        done = self.krata("pull", "--store", self.store, name)
        self.assertNotIn("damaged", done.stderr)
        self.assertEqual(fake.sent, [])

    def test_two_pulls_at_a_time(self):
        fake = self.halting()
        both = [self.start("pull", fake.host + "/a:t") for _ in range(2)]
        while not fake.sent:
            time.sleep(0.01)
        self.assertIn("another krata uses the store", self.image("prune", code=2)["error"])
        fake.go.set()
        for process in both:
            _, err = process.communicate()
            self.assertEqual(process.returncode, 0, err.decode())
        self.assertEqual(fake.sent, [0])
        self.assertEqual(os.listdir(self.store + "/partial"), [])

    def test_lines_where_there_is_no_terminal(self):
        fake = self.halting()
        fake.go.set()
        process = self.start("pull", fake.host + "/a:t")
        _, err = process.communicate()
        self.assertRegex(err.decode(), f"^{fake.layer[:19]} 2.0 MB\n$")

    def test_bars_on_a_terminal(self):
        fake = self.halting()
        command = f"{KRATA} image pull --store {self.store} {fake.host}/a:t"
        terminal = subprocess.Popen(["script", "-qfec", command, "/dev/null"], env={**self.env, "TERM": "xterm"},
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        shown = b""
        while not re.search(rb"\[#* +\] +\d+% 2.0 MB", shown):
            more = os.read(terminal.stdout.fileno(), 4096)
            self.assertTrue(more, shown)
            shown += more
        fake.go.set()
        shown += terminal.communicate()[0]
        self.assertRegex(shown.decode(), r"\[#{30}\] 100% 2.0 MB")


if __name__ == "__main__":
    KRATA = os.path.abspath(sys.argv.pop(1))
    require("skopeo", "docker-registry", "htpasswd", "openssl", "unsquashfs")
    main()
