// What `krait doctor -o json` prints, docs/cli.md.
#pragma once

#include "krait/agent/protocol.h"
#include "krait/doctor/finding.h"

namespace krait::doctor {

// {"version":1,"problems":N,"warnings":N,"skipped":N,"findings":[{name,grade,found,mend}]}
agent::Json findings_report(const Findings& findings);

}  // namespace krait::doctor
