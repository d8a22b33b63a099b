// A compiled policy that can be changed rule by rule, for the price of what the rule touches. What an edit leaves
// behind decides as if the changed policy had been compiled anew; its image may differ.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/result.h"
#include "krait/compile/compile.h"
#include "krait/compile/patch.h"

namespace krait::compile {

class Editor {
 public:
  // Compiles as compile_snapshot() does, with room for edits. Keeps the policy. Fails likewise.
  static common::Result<Editor> create(const std::vector<Binding>& bindings, model::Policy policy,
                                       std::uint64_t revision, const Origin& origin = {});

  Editor(Editor&&) noexcept;
  Editor& operator=(Editor&&) noexcept;
  ~Editor();

  // As it was compiled, without the edits.
  [[nodiscard]] const Snapshot& snapshot() const;
  [[nodiscard]] const model::Policy& policy() const;

  // Makes `rule` the policy's rule number `index`; a rule without selectors decides nothing. Gives the words to change
  // in a buffer that all earlier edits have reached; the order does not matter, but no packet may see some of them
  // only.
  //
  // Nothing: the change is more than an edit, and the policy has to be compiled anew. So it is when a rule names any
  // identity ("*"), expires, or gets another name; when it tells apart what no rule told apart so far; and when the
  // room for edits is used up.
  std::optional<std::vector<Patch>> replace(std::uint32_t index, const model::Rule& rule);

 private:
  struct State;
  explicit Editor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace krait::compile
