// The keys that leave a zone's terminal without ending anything.
#pragma once

#include <string>
#include <string_view>

namespace krata::cli {

// Ctrl-P Ctrl-Q, as other tools have it. A terminal hands its keys on one by one: the first of the two is kept back
// until the next one says what it was for.
class DetachKeys {
 public:
  struct Typed {
    std::string text;  // for the zone
    bool detaches = false;
  };

  Typed take(std::string_view keys);

 private:
  bool has_first_ = false;
};

}  // namespace krata::cli
