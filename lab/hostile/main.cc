// krata-lab-hostile: a kernel for zones of tests/xen that do to their host what no kernel does. The zone's name says
// which way (ways.h); what it comes to is on its console, a line for each. Nothing but this is in the zone, so it
// begins at once.
#include "lab/hostile/machine.h"
#include "lab/hostile/store.h"
#include "lab/hostile/ways.h"

namespace hostile {

void run();

void run() {
  const Text name = read("name");
  for (const auto ways : {store_ways(), console_ways(), block_ways()}) {
    for (const Way& way : ways) {
      if (way.name == name.view()) {
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
