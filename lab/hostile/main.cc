// krata-lab-hostile: a kernel for zones of tests/xen that do to their host what no kernel does. The zone's name says
// which way (ways.h), with a number behind it where several go the same; what it comes to is on its console, a line for
// each. Nothing but this is in the zone, so it begins at once.
#include "lab/hostile/machine.h"
#include "lab/hostile/store.h"
#include "lab/hostile/ways.h"

namespace hostile {

void run();

namespace {

// "idle" of "idle-12".
std::string_view without_number(std::string_view name) {
  std::size_t end = name.size();
  while (end > 0 && name[end - 1] >= '0' && name[end - 1] <= '9') {
    --end;
  }
  return end > 0 && end < name.size() && name[end - 1] == '-' ? name.substr(0, end - 1) : name;
}

}  // namespace

void run() {
  const Text name = read("name");
  const std::string_view wanted = without_number(name.view());
  for (const auto ways : {store_ways(), console_ways(), block_ways()}) {
    for (const Way& way : ways) {
      if (way.name == wanted) {
        say("begin: ", way.name);
        way.go();
        say("end: ", way.name);
        return;
      }
    }
  }
  die("no such way");
}

}  // namespace hostile
