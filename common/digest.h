// Whether two texts are the same, without keeping them.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

struct XXH3_state_s;

namespace common {

// 128 bits of XXH3: for accidents, not for adversaries.
struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  static Digest of(std::string_view text);
  bool operator==(const Digest&) const = default;
};

// The digest of a text that comes in pieces. Move-only.
class Digester {
 public:
  Digester();

  void add(std::string_view piece);
  [[nodiscard]] Digest digest() const;  // of everything so far

 private:
  struct Closer {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Closer> state_;
};

}  // namespace common
