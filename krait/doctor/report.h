// What `krait doctor -o json` prints, docs/cli.md.
#pragma once

#include "krait/control/protocol.h"
#include "krait/doctor/finding.h"

namespace krait::doctor {

// {"version":1,"problems":N,"warnings":N,"skipped":N,"findings":[{name,grade,found,hint}]}
control::Json findings_report(const Findings& findings);

}  // namespace krait::doctor
