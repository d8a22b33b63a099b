# shellcheck shell=bash
# What a scenario of tests/vm begins with.

# shellcheck source=lab/hosts.sh
. /lab/hosts.sh
# shellcheck source=lab/steps.sh
. /lab/steps.sh
# shellcheck source=lab/mesh.sh
. /lab/mesh.sh

# mesh_of_three RULE...: web, db and office, all with the same policy.
mesh_of_three() {
  local name
  hosts_begin
  for name in web db office; do host_new "$name"; done
  put_policy "web db office" "$@"
  if ! mesh_up web db office; then
    check "the mesh is up" "" false
    finish "$0"
    exit 1
  fi
  check "the mesh is up" "attached by $(attachment db)" test "$(attachment db)" != null
}
