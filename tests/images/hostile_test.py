"""Images that want to do harm: each is refused with its reason, leaves nothing behind, and costs little.

usage: hostile_test.py KRATA
"""

import gzip
import json
import os
import resource
import struct
import subprocess
import sys
import tarfile
import unittest

from image_lib import *

KRATA = ""
MOST_MEMORY_KB = 400 << 10


def run_bounded(*words):
    """Runs krata, and says what it took at most."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode(), err.decode("utf-8", "replace"), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def header(name, type=b"0", size=0, mode=b"0000644\0", link=b"", uid=b"0000000\0", magic=b"ustar\x0000", tail=b"", checksum=None):
    """A header of an archive, every field as told."""
    block = name.ljust(100, b"\0") + mode + uid + b"0000000\0" + (size if isinstance(size, bytes) else b"%011o\0" % size)
    block += b"%011o\0" % 1000000000 + b" " * 8 + type + link.ljust(100, b"\0") + magic.ljust(8, b"\0")
    block = (block + tail).ljust(512, b"\0")
    total = sum(block) if checksum is None else checksum
    return block[:148] + b"%06o\0 " % total + block[156:]


END = bytes(1024)


class HostileTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="krata-hostile-")
        self.addCleanup(folder.cleanup)
        self.scratch = folder.name
        self.layout = Layout(self.scratch + "/layout")
        os.mkdir(self.scratch + "/out")

    def refused(self, reason, source=None):
        for format in ("squashfs", "erofs"):
            code, out, err, memory = run_bounded(KRATA, "image", "pack", source or f"oci:{self.layout.path}",
                                                 self.scratch + "/out/file", "--format", format, "-o", "json")
            self.assertEqual(code, 1, err)
            self.assertRegex(err, reason)
            self.assertIn("error", json.loads(out))
            self.assertRegex(err, r"^[ -~\n]*$")  # nothing for a terminal to obey
            self.assertEqual(os.listdir(self.scratch + "/out"), [])
            self.assertLess(memory, MOST_MEMORY_KB)
            if format == "squashfs" and reason != "cannot keep":
                break  # what is refused before a format matters

    def layer(self, reason, data, **more):
        self.layout.index.clear()
        self.layout.image([data.bytes() if isinstance(data, Layer) else data], **more)
        self.refused(reason)

    def raw(self, reason, *parts, **more):
        self.layer(reason, b"".join(parts) + END, **more)

    def accepted(self, data, **more):
        self.layout.index.clear()
        self.layout.image([data.bytes() if isinstance(data, Layer) else data], **more)
        done = must(KRATA, "image", "pack", f"oci:{self.layout.path}", self.scratch + "/good")
        return must("unsquashfs", "-lls", "-d", "", self.scratch + "/good").stdout

    # --- Links and paths ---

    def test_links(self):
        self.layer("\"b\": a hard link to \"none\", which is not there", Layer().hardlink("b", "none"))
        self.layer("a hard link to \"d\", which is a folder", Layer().folder("d").hardlink("b", "d"))
        self.layer("a hard link to the root", Layer().hardlink("b", "../.."))
        self.layer("a hard link to \"a\", which is not there", Layer().file("a").hardlink("a", "a"))
        self.layer("a hard link to \".*passwd\", which is not there", Layer().hardlink("b", "../../../../../etc/passwd"))
        self.layer("a hard link to \"out/etc/passwd\", which is not there", Layer().symlink("out", "/").hardlink("b", "out/etc/passwd"))
        self.layer("symbolic link's target", Layer().symlink("a", ""))
        self.layer("leads through more than 255 symbolic links", Layer().symlink("a", "b").symlink("b", "a").file("a/x"))
        self.layer("the root of the tree is a folder", Layer().symlink("./", "/etc"))
        self.layer("the root of the tree is a folder", Layer().file("x/.."))
        self.layer("\"a\" is no folder", Layer().file("a").file("a/b"))
        chain = Layer()
        for i in range(300):
            chain.symlink(f"l{i}", f"l{i + 1}")
        self.layer("more than 255 symbolic links", chain.file("l0/x"))

    def test_names(self):
        self.layer("has 256 bytes, more than 255", Layer().file("n" * 256))
        self.layer("has [0-9]+ bytes, more than 4095", Layer().file("/".join(["p" * 200] * 30)))
        self.layer("\\\\x1b\\[2J.*is no folder", Layer().file("\x1b[2J").file("\x1b[2J/x"))
        self.layer("has a NUL", Layer().add("a", pax={"path": "a\0b"}))
        self.layer("whiteout of nothing", Layer().file("d/.wh."))
        self.layer("whiteout of nothing", Layer().file("d/.wh..."))
        self.layer("whiteout of nothing", Layer().file("d/.wh.."))
        deep = Layer().folder("d").symlink("s", "/" + "/".join(["d"] * 500))
        self.layer("deeper than 1024", deep.file("s/" + "d/" * 400 + "x").symlink("t", "s/" + "d/" * 400).file("t/" + "d/" * 400 + "x"))

    def test_devices_and_owners(self):
        self.layer("Linux has no device 4096:0", Layer(tarfile.GNU_FORMAT).add("d", tarfile.CHRTYPE, device=(4096, 0)))
        self.layer("Linux has no device 1:2000000", Layer(tarfile.GNU_FORMAT).add("d", tarfile.BLKTYPE, device=(1, 2000000)))
        self.layer("owner 4294967296:0", Layer().file("a", uid=2**32))
        self.layer("a type that no layer has: 'Z'", header(b"a", b"Z") + END)

    def test_attributes(self):
        self.layer("\"user.a\" of [0-9]+ bytes is larger", Layer().file("a", xattrs={"user.a": b"x" * 65537}))
        self.layer("more than 256 extended attributes", Layer().file("a", xattrs={f"user.{i}": b"x" for i in range(257)}))
        self.layer("is larger than Linux", Layer().file("a", xattrs={"user." + "n" * 255: b"x"}))
        self.layer("cannot keep", Layer().file("a", xattrs={"strange.a": b"x"}))
        self.layout.index.clear()
        self.layout.image([Layer().file("a", xattrs={"system.posix_acl_access": b"\x02\0\0\0"}).bytes()])
        pack = (KRATA, "image", "pack", "oci:" + self.layout.path, self.scratch + "/acl", "-o", "json")
        self.assertEqual(json.loads(must(*pack, "--format", "erofs").stdout)["format"], "erofs")
        self.assertRegex(run(*pack, "--format", "squashfs").stderr, "cannot keep .*posix_acl_access.*--format erofs")
        # Without a format one is taken that can hold the image.
        self.assertEqual(json.loads(must(*pack).stdout)["format"], "erofs")
        self.layout.index.clear()
        self.layout.image([Layer().file("a", xattrs={"user.a": b"x"}).bytes()])
        self.assertEqual(json.loads(must(*pack).stdout)["format"], "squashfs")

    # --- Archives ---

    def test_broken_archives(self):
        good = Layer().file("a", b"x" * 2000).bytes()
        self.layer("check sum", b"\1" * 512 + END)
        self.layer("check sum", header(b"a", checksum=7) + END)
        self.layer("ends in the middle", good[:700])
        self.layer("ends in the middle", good[:512])
        self.assertIn("/a", self.accepted(good[:512 + 2000]))
        self.assertIn("/a", self.accepted(good[:512 + 2000 + 7]))
        self.layer("ends in the middle", good[:512 + 1999])
        self.layer("behind an empty block", bytes(512) + header(b"a") + END)
        self.raw("no number", header(b"a", size=b"99999999999\0"))
        self.raw("no number", header(b"a", uid=b"notanum\0"))
        self.raw("no number", header(b"a", size=b"\xff" * 12))
        self.raw("bytes|larger", header(b"a", size=b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7))
        self.assertIn("/a", self.accepted(Layer().file("a").bytes() + b"what follows is not read" * 100))

    def pax(self, text):
        return header(b"x", b"x", len(text)) + text.ljust(-len(text) % 512 + len(text), b"\0") + header(b"a") + END

    def test_extended_headers(self):
        for text in (b"9999 a=b\n", b"3 \n", b"11 path=abcd", b"x path=a\n", b"5 a=b\n", b"7 abcd\n", b"18446744073709551617 a=b\n"):
            self.layer("extended header", self.pax(text))
        self.layer("extended header's size is no number", self.pax(b"13 size=-100\n"))
        self.layer("extended header's mtime is no number", self.pax(b"14 mtime=1.x5\n"))
        self.layer("record without a key", self.pax(b"5 =b\n"))
        self.layer("has [0-9]+ bytes, more than 1048576", header(b"x", b"x", 1 << 30) + END)
        records = (b"32 comment=" + b"c" * 20 + b"\n") * (1 << 15)
        self.layer("more extended headers", (header(b"x", b"x", 1 << 20) + records) * 9)

    def test_holes_cost_next_to_nothing(self):
        size, written = 100 << 30, b"x" * 10
        pax = {"GNU.sparse.map": f"70000000000,10,{size},0", "GNU.sparse.size": str(size)}
        self.layout.image([Layer().add("a", data=written, pax=pax).bytes()])
        for format in ("squashfs", "erofs"):
            before = os.times()
            code, _, err, memory = run_bounded(KRATA, "image", "pack", f"oci:{self.layout.path}", self.scratch + "/out/file",
                                               "--format", format)
            after = os.times()
            self.assertEqual(code, 0, err)
            self.assertLess(after.children_user + after.children_system - before.children_user - before.children_system, 4)
            self.assertLess(memory, MOST_MEMORY_KB)
            self.assertLess(os.stat(self.scratch + "/out/file").st_size, 16 << 20)
            os.unlink(self.scratch + "/out/file")

    def test_sparse_files(self):
        def sparse(map, size=1000, stored=b"x" * 10, more=""):
            pax = {"GNU.sparse.map": map, "GNU.sparse.size": str(size)}
            return Layer().add("a", data=stored, pax=pax)

        self.layer("does not fit", sparse("0,5,3,5"))
        self.layer("does not fit", sparse("0,5,999,5"))
        self.layer("does not fit", sparse("18446744073709551615,5,1,5"))
        self.layer("has 9 bytes, its data 10", sparse("0,5,6,4"))
        self.layer("odd number", sparse("0,5,6"))
        self.layer("no number", sparse("0,x"))
        self.layer("parts", sparse(",".join(["1,0"] * 70000)))
        self.layer("larger than [0-9]+ bytes", sparse("0,10", size=1 << 50))
        one = lambda text: Layer().add("a", data=text, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"})
        self.layer("map is broken", one(b"5\n"))
        self.layer("has 99999999 parts", one(b"99999999\n".ljust(512, b"\0")))
        self.layer("is no number", one(b"1\nx\n".ljust(512, b"\0")))
        block = header(b"a", b"S", 0, magic=b"ustar  ", tail=b"\0" * 121 + b"%011o\0%011o\0" % (0, 0) + b"x" * 72 + b"\1" + b"%011o\0" % 10)
        self.layer("no number|in the middle", block + END)

    # --- Compression ---

    def test_broken_compression(self):
        data = Layer().file("a", os.urandom(100000)).bytes()
        cut = lambda layer: gzip.compress(layer)[:50000]
        self.layer("gzip stream is cut short", data, compress=cut)
        flip = lambda layer: (lambda packed: packed[:500] + bytes([packed[500] ^ 1]) + packed[501:])(gzip.compress(layer))
        self.layer("broken|check sum|unpacks to", data, compress=flip)
        zstd = lambda layer: subprocess.run(["zstd", "-q"], input=layer, capture_output=True, check=True).stdout
        self.layer("zstd stream is cut short", data, compress=lambda layer: zstd(layer)[:60000])
        window = lambda layer: subprocess.run(["zstd", "-q", "--ultra", "--long=31", "-1"], input=layer + bytes(200 << 20), capture_output=True, check=True).stdout
        self.layer("zstd stream is broken: .*(memory|window|Frame)", data, compress=window)
        self.layer("xz or bzip2", data, compress=lambda layer: b"\xfd7zXZ\0" + layer)
        self.layer("broken", data, compress=lambda layer: gzip.compress(layer) + b"trailing")

    def test_bombs(self):
        head = header(b"a", size=3 << 30)
        bomb = subprocess.run(f"{{ head -c 512 '{self.file(head)}'; head -c {(3 << 30) + 1024} /dev/zero; }} | zstd -q -1",
                              shell=True, capture_output=True, check=True).stdout
        self.assertLess(len(bomb), 1 << 20)
        self.layout.image([b""], compress=lambda _: bomb, diff_ids=["sha256:" + "0" * 64])
        self.refused("unpacks to more than")

    def file(self, data):
        path = self.scratch + "/bytes"
        with open(path, "wb") as file:
            file.write(data)
        return path

    def test_whiteouts_without_end(self):
        data = bytearray(header(b"d/", b"5"))
        for i in range(20000):
            data += numbered(i, b"d/")
        data += header(b"d/.wh..wh..opq") * 20000
        self.layer("longer than any real one", bytes(data) + END)

    # --- Documents ---

    def manifest(self, reason, **changes):
        self.layout.index.clear()
        self.layout.image([Layer().file("a").bytes()], manifest=changes)
        self.refused(reason)

    def test_manifests(self):
        self.manifest("schema 1", schemaVersion=1)
        self.manifest("schemaVersion is not 2", schemaVersion="2")
        self.manifest("no list", layers={})
        self.manifest("no descriptor", layers=[1])
        self.manifest("no digest or no size", layers=[{"digest": "sha256:" + "0" * 64, "size": -1}])
        self.manifest("no digest or no size", layers=[{"digest": "sha256:" + "0" * 64, "size": 1.5}])
        self.manifest("is no digest", layers=[{"digest": "sha256:../../../../etc/passwd", "size": 1}])
        self.manifest("is no digest", layers=[{"digest": "md5:" + "0" * 32, "size": 1}])
        self.manifest("more than 512", layers=[{}] * 513)
        self.manifest("more than [0-9]+", layers=[{"digest": "sha256:" + "0" * 64, "size": 1 << 62}])
        self.manifest("layers, the configuration diff_ids of 1", layers=[])
        self.manifest("index and an image at once", manifests=[])
        self.manifest("says that it is application/x", mediaType="application/x")
        digest = "sha256:" + "0" * 64
        self.manifest("layer 1 is encrypted", layers=[{"mediaType": LAYER + "+encrypted", "digest": digest, "size": 1}])
        self.manifest("lies elsewhere", layers=[{"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "digest": digest, "size": 1}])
        self.manifest("is not there", layers=[{"mediaType": LAYER, "digest": digest, "size": 1}])
        self.manifest("no container image", config={"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest, "size": 1})

    def test_configurations(self):
        layers = [Layer().file("a").bytes()]
        for changes, reason in (({"rootfs": {}}, "no rootfs"), ({"rootfs": {"type": "layers", "diff_ids": ["x"]}}, "is no digest"),
                                ({"rootfs": {"type": "layers", "diff_ids": [sha256(b"")]}}, "unpacks to .*, not to the diff_id"),
                                ({"os": "windows"}, "is for windows/amd64")):
            self.layout.index.clear()
            self.layout.image(layers, config=changes)
            self.refused(reason)

    def test_digests_and_sizes(self):
        layer = Layer().file("a", os.urandom(5000)).bytes()
        self.layout.image([layer])
        manifest = json.load(open(f"{self.layout.path}/blobs/{self.layout.index[0]['digest'].replace(':', '/')}"))
        path = f"{self.layout.path}/blobs/{manifest['layers'][0]['digest'].replace(':', '/')}"
        with open(path, "rb") as file:
            good = file.read()
        with open(path, "wb") as file:
            file.write(good[:4] + bytes([good[4] ^ 1]) + good[5:])  # gzip's time: it unpacks to the same
        self.refused("is said to be sha256:.* is sha256:")
        with open(path, "wb") as file:
            file.write(good + b"\0")
        self.refused("has [0-9]+ bytes, not the [0-9]+")
        os.unlink(path)
        os.mkfifo(path)
        self.refused("no regular file")
        os.unlink(path)
        self.refused("is not there")

    def test_layouts(self):
        self.refused("no OCI image layout", "oci:" + self.scratch)
        self.layout.write("[" * 100000)
        self.refused("nested deeper than 64")
        self.layout.write('{"schemaVersion":2,"manifests":' + "[" * 60 + "]" * 60 + "}")
        self.refused("no descriptor")
        self.layout.write('{"schemaVersion":2,"manifests":[]}')
        self.refused("has no image")
        self.layout.write("{" + " " * (5 << 20) + "}")
        self.refused("larger than")
        self.layout.index.clear()
        self.layout.image([Layer().bytes()], tag="one")
        self.layout.image([Layer().file("x").bytes()], tag="two")
        self.refused("several images: write oci:DIR:TAG; its tags: one, two")
        self.refused("no image \"three\"; its tags: one, two", f"oci:{self.layout.path}:three")
        self.layout.image([Layer().file("y").bytes()], tag="two")
        self.refused("several images \"two\"", f"oci:{self.layout.path}:two")
        with open(self.layout.path + "/oci-layout", "w") as file:
            file.write('{"imageLayoutVersion":"2.0.0"}')
        self.refused("another version")

    def test_indexes_in_circles(self):
        document = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": []}
        for _ in range(6):
            text = json.dumps(document).encode()
            digest = self.layout.blob(text)
            document["manifests"] = [{"mediaType": OCI + "index.v1+json", "digest": digest, "size": len(text)}]
        self.layout.write(json.dumps(document))
        self.refused("indexes name indexes, 4 deep")

    # --- What is around ---

    def test_what_was_there_stays(self):
        path = self.scratch + "/kept"
        with open(path, "w") as file:
            file.write("old")
        self.layout.image([Layer().hardlink("a", "none").bytes()])
        self.assertEqual(run(KRATA, "image", "pack", "oci:" + self.layout.path, path).returncode, 1)
        with open(path) as file:
            self.assertEqual(file.read(), "old")

    def test_any_user(self):
        self.layout.image([Layer().file("a", uid=7, mode=0o4755).add("n", tarfile.CHRTYPE, device=(1, 3))
                           .file("c", xattrs={"security.capability": bytes.fromhex("0100000200200000000000000000000000000000")}).bytes()])
        must("chmod", "-R", "a+rX", self.scratch)
        os.chmod(self.scratch + "/out", 0o777)
        done = run(KRATA, "image", "pack", "oci:" + self.layout.path, self.scratch + "/out/file", user=65534,
                   env={"PATH": os.environ["PATH"]})
        self.assertEqual(done.returncode, 0, done.stderr)
        listing = must("unsquashfs", "-lln", "-d", "", self.scratch + "/out/file").stdout
        self.assertRegex(listing, r"-rwsr-xr-x 7/0 .*/a\n")
        self.assertRegex(listing, r"crw-r--r-- 0/0 +1, +3 .*/n\n")
        must("unsquashfs", "-d", self.scratch + "/seen", self.scratch + "/out/file")
        self.assertEqual(os.getxattr(self.scratch + "/seen/c", "security.capability")[:1], b"\1")

    def test_disk_full(self):
        small = self.scratch + "/small"
        os.mkdir(small)
        must("mount", "-t", "tmpfs", "-o", "size=1m", "none", small)
        try:
            self.layout.image([Layer().file("a", os.urandom(2000000)).bytes()])
            done = run(KRATA, "image", "pack", "oci:" + self.layout.path, small + "/file")
            self.assertEqual(done.returncode, 2)
            self.assertIn("No space left", done.stderr)
            self.assertEqual(os.listdir(small), [])
        finally:
            must("umount", small)


TEMPLATE = header(b"0" * 40)


def numbered(i, folder=b""):
    """A header as fast as Python can: only the name and the check sum differ."""
    name = (folder + b"%d" % i).ljust(40, b"\0")
    total = sum(TEMPLATE) - 40 * ord("0") - sum(TEMPLATE[148:156]) + 8 * 32 + sum(name)
    return name + TEMPLATE[40:148] + b"%06o\0 " % total + TEMPLATE[156:]


if __name__ == "__main__":
    KRATA = os.path.abspath(sys.argv.pop(1))
    require("unsquashfs", "zstd")
    main()
