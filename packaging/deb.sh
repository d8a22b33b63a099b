#!/bin/bash
# Makes FOLDER/{krait,krait-coordinator,krata,krata-common}_VERSION_ARCHITECTURE.deb from the release build, with debhelper.
# usage: deb.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(realpath "$1")
version=$(sed -n 's/^project(krait VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
built=build/release

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/krait
mkdir -p "$tree/bin"
cp -r packaging/debian packaging/etc packaging/examples packaging/modules-load.d README.md ARCHITECTURE.md docs "$tree"
cp packaging/krait-agent.service "$tree/debian/krait.krait-agent.service"
cp packaging/krait-link.service "$tree/debian/krait.krait-link.service"
cp packaging/krait-coordinator.service "$tree/debian/krait-coordinator.service"
cp packaging/krata-store.service "$tree/debian/krata-common.krata-store.service"
cp packaging/kratad.service "$tree/debian/krata.kratad.service"
cp packaging/krata-zones.service "$tree/debian/krata.krata-zones.service"
for program in krait krait-agent krait-inspect krait-join krait-link krait-coordinator krata krata-image kratad krata-block krata-init krata-store; do
  cp "$built/bin/$program" "$tree/bin"
done

reference=$built/bin/krait_reference
mkdir -p "$tree/man"
"$reference" man krait >"$tree/man/krait.1"
"$reference" man krait-agent >"$tree/man/krait-agent.8"
"$reference" man krait-link >"$tree/man/krait-link.8"
for file in krait.toml policy.toml; do packaging/manual_5.sh "$file" >"$tree/man/$file.5"; done
"$reference" man krata >"$tree/man/krata.1"
for program in kratad krata-block krata-store; do "$reference" man "$program" >"$tree/man/$program.8"; done
# complete FOLDER PROGRAM
complete() {
  mkdir -p "$1"/{bash,zsh,fish}
  "$reference" bash "$2" >"$1/bash/$2"
  "$reference" zsh "$2" >"$1/zsh/_$2"
  "$reference" fish "$2" >"$1/fish/$2.fish"
}
for program in krait krait-agent krait-link krata kratad krata-block krata-store; do complete "$tree/completions" "$program"; done
mkdir -p "$tree/coordinator/man"
"$reference" man krait-coordinator >"$tree/coordinator/man/krait-coordinator.8"
complete "$tree/coordinator/completions" krait-coordinator
mv "$tree/etc/coordinator.environment" "$tree/coordinator/environment"

# The date of the sources, so that the same sources give the same package.
cat >"$tree/debian/changelog" <<END
krait ($version) unstable; urgency=medium

  * Built from its sources; their history tells what changed.

 -- The Krait authors <krait@localhost.localdomain>  $(git log -1 --format=%cD 2>/dev/null || date -R)
END
(cd "$tree" && dpkg-buildpackage --build=binary --unsigned-changes --no-check-builddeps)
rm -f "$folder"/{krait,krait-coordinator,krata,krata-common}_*.deb
mv "$work"/{krait,krait-coordinator,krata,krata-common}_*.deb "$folder"
