"""Makes images byte by byte, packs them with krata, and sees what is in the result: what the tests of this folder share."""

import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

OCI = "application/vnd.oci.image."
LAYER = OCI + "layer.v1.tar+gzip"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layer:
    """An archive; each method adds an entry."""

    def __init__(self, format=tarfile.PAX_FORMAT):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=format)

    def add(self, name, type=tarfile.REGTYPE, data=b"", link="", mode=0o644, uid=0, gid=0, mtime=1000000000, device=(0, 0),
            xattrs=None, pax=None):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname, info.mode = type, len(data), link, mode
        info.uid, info.gid, info.mtime = uid, gid, mtime
        info.devmajor, info.devminor = device
        info.pax_headers = dict(pax or {})
        for key, value in (xattrs or {}).items():
            info.pax_headers["SCHILY.xattr." + key] = value.decode("utf-8", "surrogateescape")
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def file(self, name, data=b"", **more):
        return self.add(name, data=data, **more)

    def folder(self, name, mode=0o755, **more):
        return self.add(name, type=tarfile.DIRTYPE, mode=mode, **more)

    def symlink(self, name, link, **more):
        return self.add(name, type=tarfile.SYMTYPE, link=link, mode=0o777, **more)

    def hardlink(self, name, link, **more):
        return self.add(name, type=tarfile.LNKTYPE, link=link, **more)

    def whiteout(self, folder, name):
        return self.file(os.path.join(folder, ".wh." + name))

    def raw(self, data):
        self.buffer.write(data)
        self.tar.offset += len(data)
        return self

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


class Layout:
    """An OCI image layout of layers' bytes; every lie is an argument."""

    def __init__(self, path):
        self.path = path
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path + "/blobs/sha256")
        self.index = []

    def blob(self, data, digest=None):
        digest = digest or sha256(data)
        with open(f"{self.path}/blobs/{digest.replace(':', '/')}", "wb") as file:
            file.write(data)
        return digest

    def image(self, layers, tag="t", compress=gzip.compress, media_type=LAYER, config=None, manifest=None, diff_ids=None,
              platform=("linux", "amd64")):
        blobs = [compress(layer, 1) if compress is gzip.compress else compress(layer) for layer in layers]
        document = {"os": platform[0], "architecture": platform[1], "config": {"Env": ["A=b"], "Cmd": ["/bin/sh"]},
                    "rootfs": {"type": "layers", "diff_ids": diff_ids or [sha256(layer) for layer in layers]}}
        document.update(config or {})
        config_text = json.dumps(document).encode()
        manifest_document = {
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": {"mediaType": OCI + "config.v1+json", "digest": self.blob(config_text), "size": len(config_text)},
            "layers": [{"mediaType": media_type, "digest": self.blob(data), "size": len(data)} for data in blobs]}
        manifest_document.update(manifest or {})
        return self.add(json.dumps(manifest_document).encode(), tag)

    def add(self, text, tag, media_type=OCI + "manifest.v1+json", **more):
        digest = self.blob(text)
        descriptor = {"mediaType": media_type, "digest": digest, "size": len(text)}
        if tag:
            descriptor["annotations"] = {"org.opencontainers.image.ref.name": tag}
        descriptor.update(more)
        self.index.append(descriptor)
        self.write()
        return digest

    def write(self, text=None):
        with open(self.path + "/oci-layout", "w") as file:
            file.write('{"imageLayoutVersion":"1.0.0"}')
        with open(self.path + "/index.json", "w") as file:
            file.write(text or json.dumps({"schemaVersion": 2, "manifests": self.index}))


def run(*words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="surrogateescape", **more)


def must(*words, **more):
    done = run(*words, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def describe(path, whole_seconds):
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    fact = {"kind": kind, "uid": status.st_uid, "gid": status.st_gid,
            "mtime": int(status.st_mtime_ns // 10**9) if whole_seconds else status.st_mtime_ns}
    if kind == stat.S_IFLNK:
        fact["target"] = os.readlink(path)
    else:
        fact["mode"] = stat.S_IMODE(status.st_mode)
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        fact["device"] = status.st_rdev
    if kind == stat.S_IFREG:
        fact["size"] = status.st_size
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        fact["sha256"] = digest.hexdigest()
    fact["xattrs"] = {name: os.getxattr(path, name, follow_symlinks=False).hex()
                      for name in os.listxattr(path, follow_symlinks=False) if name != "security.selinux"}
    return fact


def see(root, whole_seconds):
    """Everything below `root`: path to what it is, with the first of its names for what has several."""
    root = os.fsencode(root)
    facts, first = {}, {}
    paths = [root]
    for folder, folders, files in os.walk(root):
        paths += [os.path.join(folder, name) for name in folders + files]
    for path in sorted(paths):
        name = path[len(root):].decode("utf-8", "surrogateescape") or "/"
        facts[name] = describe(path, whole_seconds)
        if facts[name]["kind"] != stat.S_IFDIR:
            facts[name]["same_as"] = first.setdefault(os.lstat(path).st_ino, name)
    return facts


def knows_xattrs(folder):
    """Some kernels are built without, and say so."""
    try:
        os.listxattr(folder)
        return True
    except OSError:
        return False


def mount_or_extract(file, format, folder):
    """The tree in a packed image, by the kernel where it can, else by the format's own tool; returns how to end it."""
    os.makedirs(folder, exist_ok=True)
    if run("mount", "-t", format, "-o", "loop,ro", file, folder).returncode == 0:
        if knows_xattrs(folder):
            return lambda: must("umount", folder)
        must("umount", folder)
    os.rmdir(folder)
    if format == "squashfs":
        must("unsquashfs", "-no-progress", "-d", folder, file)
    else:
        must("fsck.erofs", "--extract=" + folder, "--preserve", file)
    return lambda: shutil.rmtree(folder)


def packed_tree(file, format, scratch):
    folder = os.path.join(scratch, "seen")
    end = mount_or_extract(file, format, folder)
    try:
        return see(folder, format == "squashfs")
    finally:
        end()


def umoci_tree(layout, tag, scratch, whole_seconds):
    bundle = os.path.join(scratch, "bundle")
    shutil.rmtree(bundle, ignore_errors=True)
    must("umoci", "unpack", "--image", f"{layout}:{tag}", bundle)
    try:
        return see(bundle + "/rootfs", whole_seconds)
    finally:
        shutil.rmtree(bundle)


def differences(expected, found, ignore=()):
    lines = []
    for path in sorted(set(expected) | set(found)):
        one, other = dict(expected.get(path, {})), dict(found.get(path, {}))
        for what, key in ignore:
            if what == path:
                one.pop(key, None)
                other.pop(key, None)
        if one != other:
            lines.append(f"{path}: expected {one}, found {other}")
    return lines


# The tests' tools that are not called as Debian's package.
PACKAGE_OF = {"unsquashfs": "squashfs-tools", "fsck.erofs": "erofs-utils", "htpasswd": "apache2-utils"}


def require(*tools):
    """Ends the tests, as failed, where they cannot run as they should: a tool that lacks is no reason to test less."""
    missing = sorted({PACKAGE_OF.get(tool, tool) for tool in tools if not shutil.which(tool)})
    if missing:
        sys.exit(f"these tests need the Debian packages {' '.join(missing)}; ./x test installs them")
    if os.geteuid() != 0:
        sys.exit("these tests need root: they make devices and owners, and mount")


class Timed(unittest.TextTestResult):
    """Says of each test how long it took."""

    def startTest(self, test):
        self.began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"    {time.monotonic() - self.began:.2f} s")


def main():
    """Runs the tests of the file that was started."""
    unittest.main(testRunner=unittest.TextTestRunner(verbosity=2, resultclass=Timed))
