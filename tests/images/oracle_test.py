"""What krata packs is what umoci unpacks: images made by umoci, skopeo and buildah, and some that no tool would make.

usage: oracle_test.py KRATA     (root: umoci makes devices and owners, and the kernel mounts what was packed)
"""

import gzip
import json
import os
import subprocess
import sys
import tarfile
import unittest

from image_lib import *

KRATA = ""
FORMATS = ("squashfs", "erofs")


class OracleTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="krata-images-")
        self.addCleanup(self.folder.cleanup)
        self.scratch = self.folder.name
        self.layout = Layout(self.scratch + "/layout")

    def pack(self, source, format="squashfs"):
        file = f"{self.scratch}/packed.{format}"
        done = must(KRATA, "image", "pack", source, file, "--format", format, "-o", "json")
        answer = json.loads(done.stdout)
        self.assertEqual(answer["format"], format)
        self.assertEqual(answer["bytes"], os.stat(file).st_size)
        return file, answer

    def same(self, layers, ignore=(), **more):
        self.layout.index.clear()
        digest = self.layout.image([layer.bytes() if isinstance(layer, Layer) else layer for layer in layers], **more)
        self.same_as_umoci("t", digest, ignore)

    def same_as_umoci(self, tag, digest=None, ignore=()):
        for format in FORMATS:
            with self.subTest(format=format):
                file, answer = self.pack(f"oci:{self.layout.path}:{tag}", format)
                if digest:
                    self.assertEqual(answer["digest"], digest)
                # The root's time is umoci's own unless a layer has an entry for it.
                expected = umoci_tree(self.layout.path, tag, self.scratch, format == "squashfs")
                lines = differences(expected, packed_tree(file, format, self.scratch), [("/", "mtime"), *ignore])
                self.assertEqual(lines, [])

    # --- Kinds, owners, modes, times, attributes ---

    def test_every_kind(self):
        capability = bytes.fromhex("0100000200200000000000000000000000000000")
        layer = (Layer().folder("./", mode=0o711, uid=7).folder("etc").file("etc/hosts", b"127.0.0.1 localhost\n", mtime=1234567890.5)
                 .file("etc/shadow", b"secret", mode=0o640, gid=42).folder("bin", mode=0o2755, gid=3)
                 .file("bin/su", os.urandom(300000), mode=0o4755).file("bin/ping", b"x" * 5000, mode=0o755,
                                                                     xattrs={"security.capability": capability})
                 .file("empty").symlink("link", "etc/hosts", uid=5, gid=6).symlink("dangling", "/no/where")
                 .hardlink("bin/sudo", "bin/su").hardlink("hard", "etc/hosts").hardlink("hardlink_to_link", "link")
                 .folder("dev").add("dev/null", tarfile.CHRTYPE, device=(1, 3), mode=0o666)
                 .add("dev/big", tarfile.BLKTYPE, device=(4095, 1048575), mode=0o660, gid=6)
                 .add("dev/pipe", tarfile.FIFOTYPE, mode=0o600, uid=1000).folder("tmp", mode=0o1777)
                 .file("owners", b"1", uid=4294967294, gid=4000000000)
                 .file("attributes", b"2", xattrs={"user.a": b"one", "user.b": os.urandom(60).hex().encode(),
                                                   "trusted.c": b"three"})
                 .folder("attributed", xattrs={"user.dir": b"yes"}))
        self.same([layer])

    def test_times(self):
        self.same([Layer().file("old", mtime=0).file("fraction", mtime=1600000000.987654321).file("late", mtime=4294967295)])

    def test_blocks_and_tails(self):
        layer = Layer()
        for size in (1, 4095, 4096, 4097, 131071, 131072, 131073, 400000):
            layer.file(f"random{size}", os.urandom(size)).file(f"zero{size}", bytes(size)).file(f"text{size}", b"abc" * (size // 3))
        self.same([layer.file("zeros_between", os.urandom(5000) + bytes(300000) + os.urandom(5000))])

    def test_many_names_in_one_folder(self):
        layer = Layer().folder("many")
        for i in range(3000):
            layer.file(f"many/{'n' * (i % 200)}{i}", str(i).encode())
        self.same([layer])

    # --- Names ---

    def test_long_names(self):
        for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            deep = "/".join(["d" * 100] * 12)
            layer = Layer(format).file(deep + "/" + "f" * 255, b"long", mtime=1000000000).symlink("s", "t" * 900)
            layer.hardlink("h" * 200, deep + "/" + "f" * 255)
            parents = ["/".join(deep.split("/")[:i]) for i in range(1, 13)]
            self.same([layer], ignore=[("/" + parent, "mtime") for parent in parents])

    def test_names_that_are_no_text(self):
        layer = Layer().file("caf\udce9", b"latin").file("\u00fcml", b"utf8").file("new\nline", b"n").file("esc\x1b[31m", b"e")
        self.same([layer.file("back\\slash", b"b").file("%2e%2e", b"p").file(" ", b"s").file("...", b"d")])

    def test_base_256_numbers(self):
        self.same([Layer(tarfile.GNU_FORMAT).file("a", b"1", uid=3000000000, gid=2**31 + 5, mtime=2**33 // 4)])

    # --- Layers ---

    def test_whiteouts(self):
        one = (Layer().folder("a").file("a/1", b"1").file("a/2", b"2").folder("a/b").file("a/b/3", b"3").file("top", b"t")
               .symlink("to_a", "a").file("kept", b"k"))
        two = Layer().whiteout("a", "1").whiteout("", "top").whiteout("a", "none").whiteout("to_a", "b").whiteout("no/where", "x")
        self.same([one, two, Layer().file("a/1", b"new")])

    def test_whiteout_beside_its_own_name(self):
        one = Layer().folder("d").file("d/old", b"o").file("f", b"lower")
        self.same([one, Layer().whiteout("", "f").file("f", b"upper").whiteout("", "d").folder("d").file("d/new", b"n")])
        # When umoci takes something out of a folder that stays, the folder's time becomes that of the unpacking.
        self.same([one, Layer().file("f", b"upper").whiteout("", "f").folder("d").file("d/new", b"n").whiteout("", "d")],
                  ignore=[("/d", "mtime")])

    def test_opaque_in_both_orders(self):
        one = Layer().folder("d").file("d/old", b"o").folder("d/sub").file("d/sub/old", b"s").file("out", b"x")
        opaque = lambda layer: layer.whiteout("d", ".wh..opq")
        self.same([one, opaque(Layer().folder("d", mode=0o700)).file("d/new", b"n").folder("d/sub").file("d/sub/new", b"n")])
        self.same([one, opaque(Layer().folder("d", mode=0o700).file("d/new", b"n").folder("d/sub").file("d/sub/new", b"n"))],
                  ignore=[("/d/sub", "mtime")])
        self.same([one, Layer().whiteout("", ".wh..opq").file("only", b"1")])

    def test_kinds_change(self):
        one = Layer().folder("d").file("d/x", b"x").file("f", b"f").symlink("s", "d").folder("t").file("t/y", b"y")
        two = Layer().file("d", b"now a file").folder("f").file("f/in", b"in").folder("s").file("s/own", b"o").symlink("t", "f")
        self.same([one, two])

    def test_metadata_of_folders_is_replaced(self):
        one = Layer().folder("d", mode=0o700, uid=1, xattrs={"user.old": b"1"}, mtime=5).file("d/x", b"x")
        self.same([one, Layer().folder("d", mode=0o755, uid=2, mtime=6), Layer().file("d/y", b"y")])

    def test_hard_links_across_layers(self):
        one = Layer().file("a", b"data", mtime=7).file("b", b"other").folder("dir").hardlink("dir/a2", "a")
        two = Layer().hardlink("c", "a").whiteout("", "b").whiteout("", "a").hardlink("dir/c2", "c")
        three = Layer().file("dir/a2", b"apart").hardlink("/d", "../../c")
        self.same([one, two, three])

    def test_through_links_in_the_way(self):
        one = Layer().folder("real").symlink("abs", "/real").symlink("up", "../../../real").symlink("far", "abs").folder("x")
        two = Layer().file("abs/1", b"1").file("up/2", b"2").file("far/3", b"3").hardlink("x/hard", "abs/1")
        self.same([one, two.symlink("new", "not/yet").file("new/file", b"f")],
                  ignore=[("/not", "mtime"), ("/not/yet", "mtime")])

    def test_the_same_layer_twice_and_an_empty_one(self):
        layer = Layer().file("a", b"1").bytes()
        self.same([layer, Layer().bytes(), Layer().whiteout("", "a").file("b", b"2"), layer])

    def test_nothing_leaves_the_tree(self):
        layer = (Layer().file("../../../outside", b"1").file("/absolute", b"2").file("a/../../b", b"3").folder("etc")
                 .symlink("escape", "../../../../../etc").file("escape/planted", b"4").symlink("root", "/").file("root/etc/too", b"5")
                 .file("./x//y/./z", b"6").hardlink("hard", "../../../../outside"))
        self.same([layer], ignore=[("/x", "mtime"), ("/x/y", "mtime")])

    # --- Sparse files, compression ---

    def test_sparse(self):
        folder = self.scratch + "/sparse"
        os.mkdir(folder)
        with open(folder + "/holes", "wb") as file:
            for at in range(0, 40):
                file.seek(300000 + at * 1000000)
                file.write(os.urandom(700))
            file.truncate(50000001)
        with open(folder + "/empty", "wb") as file:
            file.truncate(3000000)
        for words in (["--format=pax", "--sparse-version=0.0"], ["--format=pax", "--sparse-version=0.1"],
                      ["--format=pax", "--sparse-version=1.0"], ["--format=gnu"]):
            archive = f"{self.scratch}/sparse.tar"
            must("tar", "-C", folder, "--sparse", *words, "-cf", archive, "holes", "empty")
            with open(archive, "rb") as file:
                data = file.read()
            self.assertLess(len(data), 1000000)
            with self.subTest(words=words):
                if words != ["--format=gnu"]:  # which umoci refuses; what the others gave is compared with it
                    self.same([data])
                    continue
                self.layout.index.clear()
                self.layout.image([data])
                expected = see(folder, True)
                for format in FORMATS:
                    found = packed_tree(self.pack("oci:" + self.layout.path, format)[0], format, self.scratch)
                    for name in ("/holes", "/empty"):
                        self.assertEqual(expected[name]["sha256"], found[name]["sha256"])

    def test_compressions(self):
        data = Layer().file("a", os.urandom(1000) * 500).bytes()
        self.layout.index.clear()
        zstd = lambda layer: subprocess.run(["zstd", "-q"], input=layer, capture_output=True, check=True).stdout
        half = len(data) // 2
        two_members = lambda layer: gzip.compress(layer[:half]) + gzip.compress(layer[half:])
        for compress, kind in ((lambda layer: layer, "tar"), (two_members, "tar+gzip")):
            self.same([data], compress=compress, media_type=OCI + "layer.v1." + kind)
        # This umoci does not know zstd; the tree is the same as without.
        expected = umoci_tree(self.layout.path, "t", self.scratch, True)
        self.layout.index.clear()
        self.layout.image([data], compress=zstd, media_type=OCI + "layer.v1.tar+zstd")
        file, _ = self.pack("oci:" + self.layout.path)
        self.assertEqual(differences(expected, packed_tree(file, "squashfs", self.scratch), [("/", "mtime")]), [])

    # --- Other tools' images ---

    def test_umoci_makes_it(self):
        os.rename(self.layout.path, self.layout.path + ".unused")
        layout, bundle = self.layout.path, self.scratch + "/made"
        must("umoci", "init", "--layout", layout)
        must("umoci", "new", "--image", layout + ":t")
        must("umoci", "unpack", "--image", layout + ":t", bundle)
        root = bundle + "/rootfs"
        must("cp", "-a", "/etc/ssl", "/etc/alternatives", root)
        os.setxattr(root + "/ssl/openssl.cnf", "user.note", b"copied")
        must("umoci", "repack", "--image", layout + ":t", bundle)
        must("rm", "-r", root + "/alternatives")
        os.link(root + "/ssl/openssl.cnf", root + "/second")
        must("umoci", "repack", "--image", layout + ":t", bundle)
        self.same_as_umoci("t")

    def test_umoci_inserts_a_file(self):
        """Such a layer ends with the last file's data, neither padded nor closed."""
        layout, file = self.layout.path, self.scratch + "/file"
        os.rename(layout, layout + ".unused")
        must("umoci", "init", "--layout", layout)
        must("umoci", "new", "--image", layout + ":t")
        for size in (3, 512, 700, 0):
            with open(file, "wb") as made:
                made.write(os.urandom(size))
            must("umoci", "insert", "--image", layout + ":t", file, f"/etc/of{size}")
        self.same_as_umoci("t", ignore=[("/etc", "mtime")])

    def test_buildah_makes_it(self):
        layout = self.layout.path
        os.rename(layout, layout + ".unused")
        buildah = lambda *words: must("buildah", "--root", self.scratch + "/root", "--runroot", self.scratch + "/run",
                                      "--storage-driver", "vfs", *words).stdout.strip()
        container = buildah("from", "scratch")
        root = buildah("mount", container)
        os.makedirs(root + "/d/e")
        with open(root + "/d/e/f", "wb") as file:
            file.write(os.urandom(70000))
        os.chown(root + "/d/e/f", 5, 6)
        os.chmod(root + "/d/e/f", 0o6751)
        os.mkfifo(root + "/d/pipe")
        os.link(root + "/d/e/f", root + "/hard")
        os.setxattr(root + "/d", "user.made", b"by buildah")
        buildah("config", "--cmd", "/d/e/f", container)
        buildah("commit", container, f"oci:{layout}:t")
        buildah("umount", container)
        buildah("rm", container)
        self.same_as_umoci("t")

    def test_skopeo_copies_it(self):
        self.layout.image([Layer().folder("a").file("a/b", b"c", uid=9).bytes()], tag="t")
        copy = self.scratch + "/copy"
        must("skopeo", "--insecure-policy", "copy", f"oci:{self.layout.path}:t", f"oci:{copy}:t")
        self.layout.path = copy
        self.same_as_umoci("t")

    def test_the_answer_has_the_configuration(self):
        digest = self.layout.image([Layer().file("a").bytes()], config={"config": {"User": "7:8", "Entrypoint": ["/a"]}})
        _, answer = self.pack("oci:" + self.layout.path)
        self.assertEqual(answer["digest"], digest)
        self.assertEqual(answer["config"]["config"], {"User": "7:8", "Entrypoint": ["/a"]})
        self.assertEqual(answer["config"]["rootfs"]["type"], "layers")

    def test_the_same_image_gives_the_same_bytes(self):
        self.layout.image([Layer().file("a", os.urandom(500000)).folder("b").file("b/c", b"d" * 99999).bytes()])
        for format in FORMATS:
            file, _ = self.pack("oci:" + self.layout.path, format)
            with open(file, "rb") as once:
                first = once.read()
            self.pack("oci:" + self.layout.path, format)
            with open(file, "rb") as again:
                self.assertEqual(first, again.read())


if __name__ == "__main__":
    KRATA = os.path.abspath(sys.argv.pop(1))
    require("umoci", "skopeo", "buildah", "unsquashfs", "fsck.erofs", "zstd")
    main()
