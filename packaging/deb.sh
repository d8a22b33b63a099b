#!/bin/bash
# Makes build/krait_VERSION_ARCHITECTURE.deb from the release build.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^project(krait VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree

for program in krait krait-agent; do
  install -D -m 755 -s "build/release/bin/$program" "$tree/usr/bin/$program"
done
install -D -m 644 packaging/krait-agent.service "$tree/lib/systemd/system/krait-agent.service"
install -D -m 644 -t "$tree/usr/share/doc/krait/examples" packaging/examples/*.toml
for text in README.md ARCHITECTURE.md; do
  [[ ! -e $text ]] || install -D -m 644 "$text" "$tree/usr/share/doc/krait/$text"
done
[[ ! -e LICENSE ]] || install -D -m 644 LICENSE "$tree/usr/share/doc/krait/copyright"
install -D -m 644 -t "$tree/usr/share/doc/krait/docs" docs/*.md
install -d -m 755 "$tree/etc/krait"
install -d -m 700 "$tree/var/lib/krait"

# dpkg-shlibdeps reads the name of the package from a source tree.
mkdir -p "$work/debian" "$tree/DEBIAN"
printf 'Source: krait\n\nPackage: krait\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info tree/usr/bin/* 2>/dev/null | sed -n 's/^shlibs:Depends=//p')

cat >"$tree/DEBIAN/control" <<END
Package: krait
Version: $version
Architecture: $architecture
Maintainer: The Krait authors <krait@localhost>
Section: net
Priority: optional
Depends: $depends
Installed-Size: $(du -sk "$tree" | cut -f1)
Description: identity policy in the kernel for a WireGuard mesh
 Hosts join a WireGuard mesh; eBPF programs on the interface let through what the
 policy allows between identities and drop everything else, from the next packet
 on when the policy changes.
END
printf '#!/bin/sh\nset -e\n[ ! -d /run/systemd/system ] || systemctl daemon-reload\n' >"$tree/DEBIAN/postinst"
chmod 755 "$tree/DEBIAN/postinst"
dpkg-deb --root-owner-group --build "$tree" "build/krait_${version}_$architecture.deb"
