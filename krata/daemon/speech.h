// Talks that pass bytes both ways between a client and a process in a zone.
#pragma once

#include <memory>

#include "krata/control/protocol.h"
#include "krata/daemon/talk.h"

namespace krata::daemon {

// With the container itself; any number at a time.
std::unique_ptr<Talk> make_attach(Daemon& daemon, Zone* zone);
// With one more process in it, which is ended (SIGHUP) when the client goes.
std::unique_ptr<Talk> make_exec(Daemon& daemon, Zone* zone, control::ExecSpec spec);

}  // namespace krata::daemon
