// A transaction: its own copy of the tree, what it has looked at and what it has done. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "krata/store/edit.h"

namespace krata::store {

class Transaction {
 public:
  explicit Transaction(const Tree& base) : base_(base), tree_(base), copied_at_start_(base.copied_bytes()) {}

  // What its requests see: the tree as it was at the start, with its own changes.
  [[nodiscard]] const Tree& tree() const { return tree_; }

  // A node has been looked at. Where it is not there, the answer depends on those above it as far as one that is.
  void look_at(std::string_view path);
  void apply(const Edit& edit);

  // In number and bytes, for the quota.
  [[nodiscard]] std::size_t nodes() const { return touched_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  // A node that the transaction has looked at or changed is another in `now` than it was at the start: what it read may
  // not hold any more, so none of it may come true.
  [[nodiscard]] bool conflicts_with(const Tree& now) const;

  // How many nodes more it makes a domain own.
  [[nodiscard]] std::int64_t gained(DomainId domain) const {
    return std::int64_t{tree_.nodes_of(domain)} - base_.nodes_of(domain);
  }

  [[nodiscard]] const std::vector<TreeChange>& changes() const { return changes_; }
  // Of all that it has changed, one for each node, in the order in which the nodes were first looked at. `committed` is
  // the tree with the changes.
  [[nodiscard]] std::vector<NodeEvent> events(const Tree& committed) const;

  // How many bytes `now` has had to copy since the start. Some of the originals are kept for this transaction alone.
  [[nodiscard]] std::uint64_t kept_bytes(const Tree& now) const { return now.copied_bytes() - copied_at_start_; }

 private:
  struct Touched {
    std::string path;
    std::uint64_t generation = 0;  // at the start; 0: it was not there
    enum class Event : std::uint8_t { none, exact, full } event = Event::none;
    SharedPermissions former;  // as an event of it has them
  };

  Touched& touch(std::string_view path);
  [[nodiscard]] SharedPermissions parent_at(std::size_t place, const Tree& committed) const;
  void touch_all(const Node& node, const std::string& path);

  Tree base_;
  Tree tree_;
  std::uint64_t copied_at_start_ = 0;
  std::vector<Touched> touched_;
  std::unordered_map<std::string, std::size_t> places_;
  std::vector<TreeChange> changes_;
  std::size_t bytes_ = 0;
};

}  // namespace krata::store
