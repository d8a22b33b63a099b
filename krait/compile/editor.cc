#include "krait/compile/editor.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "krait/compile/compilation.h"

namespace krait::compile {

namespace {

// Rows for some hundreds of edits: 256 KiB.
constexpr std::uint32_t kSpareRows = 4096;
// A rule that touches more pairs of classes is cheaper compiled with the rest.
constexpr std::size_t kMostPairs = 4096;

using Members = std::vector<std::uint32_t>;  // how many identities a class has

Members members_of(const std::vector<std::uint32_t>& class_of, std::uint32_t classes) {
  Members members(classes);
  for (const std::uint32_t identity_class : class_of) {
    ++members[identity_class];
  }
  return members;
}

// The classes that these identities are, or nothing where they are a part of one.
std::optional<std::vector<std::uint32_t>> whole_classes(const model::Subjects& subjects,
                                                        const std::vector<std::uint32_t>& class_of,
                                                        const Members& members) {
  std::vector<std::uint32_t> classes;
  classes.reserve(subjects.identities.size());
  for (const std::uint32_t identity : subjects.identities) {
    classes.push_back(class_of[identity]);
  }
  std::ranges::sort(classes);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < classes.size();) {
    const auto behind = std::ranges::upper_bound(classes, classes[i]) - classes.begin();
    if (static_cast<std::size_t>(behind) - i != members[classes[i]]) {
      return std::nullopt;
    }
    classes[kept++] = classes[i];
    i = static_cast<std::size_t>(behind);
  }
  classes.resize(kept);
  return classes;
}

// Whether the range begins and ends where port classes do, and all of it has some.
bool is_whole(const model::SelectorRange& range, const std::vector<std::uint32_t>& port_of_selector) {
  const auto class_at = [&](std::uint32_t selector) { return port_of_selector[selector]; };
  const bool begins = range.first == 0 || class_at(range.first - 1) != class_at(range.first);
  const bool ends = range.last + 1 == KRAIT_SELECTORS || class_at(range.last + 1) != class_at(range.last);
  if (!begins || !ends) {
    return false;
  }
  for (std::uint32_t selector = range.first; selector <= range.last; ++selector) {
    if (class_at(selector) == 0) {
      return false;
    }
  }
  return true;
}

bool names_its_ends(const model::Rule& rule) { return !rule.from.any && !rule.to.any; }

bool same_ends(const model::Rule& a, const model::Rule& b) {
  return a.from.identities == b.from.identities && a.to.identities == b.to.identities;
}

}  // namespace

struct Editor::State {
  State(model::Policy policy_in, const Origin& origin) : policy(std::move(policy_in)), compilation(policy, origin) {}

  model::Policy policy;
  Compilation compilation;
  Snapshot snapshot;
  Members source_members;
  Members destination_members;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> rules_of_pair;  // ascending
  std::size_t room = 0;                                                         // short rows that the image can hold
  bool broken = false;                                                          // an edit was given up half-way

  [[nodiscard]] std::uint64_t pair(std::uint32_t source, std::uint32_t destination) const {
    return std::uint64_t{source} * compilation.classes.destinations + destination;
  }
  template <typename Visit>
  void for_each_pair(const ClassedRule& rule, const Visit& visit) const {
    for (const std::uint32_t source : rule.from) {
      for (const std::uint32_t destination : rule.to) {
        visit(pair(source, destination));
      }
    }
  }
  void index();
  // The rule's ports, and its ends unless they are those of before.
  [[nodiscard]] std::optional<ClassedRule> classed(std::uint32_t number, const model::Rule& rule) const;
  [[nodiscard]] bool is_edit(std::uint32_t number, const model::Rule& rule) const;
  void move_rule(std::uint32_t number, const model::Rule& rule, ClassedRule now, std::vector<std::uint64_t>& touched);
  bool rebuild(std::uint64_t key, std::vector<Patch>& patches);
  bool write_row(std::size_t row, std::vector<Patch>& patches);
};

void Editor::State::index() {
  const Classes& classes = compilation.classes;
  source_members = members_of(classes.source_of_identity, classes.sources);
  destination_members = members_of(classes.destination_of_identity, classes.destinations);
  for (std::uint32_t rule = 0; rule < classes.rules.size(); ++rule) {
    for_each_pair(classes.rules[rule], [&](std::uint64_t key) { rules_of_pair[key].push_back(rule); });
  }
}

std::optional<ClassedRule> Editor::State::classed(std::uint32_t number, const model::Rule& rule) const {
  const Classes& classes = compilation.classes;
  const model::Rule& old = policy.rules[number];
  ClassedRule now;
  if (!same_ends(rule, old)) {
    auto from = whole_classes(rule.from, classes.source_of_identity, source_members);
    auto to = whole_classes(rule.to, classes.destination_of_identity, destination_members);
    if (!from || !to || from->size() * to->size() > kMostPairs) {
      return std::nullopt;
    }
    now.from = std::move(*from);
    now.to = std::move(*to);
  }
  now.port_bounds.reserve(2 * rule.selectors.size());
  for (const model::SelectorRange& range : rule.selectors) {
    if (!is_whole(range, classes.port_of_selector)) {
      return std::nullopt;
    }
    now.port_bounds.push_back(classes.port_of_selector[range.first]);
    now.port_bounds.push_back(classes.port_of_selector[range.last] + 1);
  }
  return now;
}

bool Editor::State::is_edit(std::uint32_t number, const model::Rule& rule) const {
  const model::Rule& old = policy.rules[number];
  const ClassedRule& classes = compilation.classes.rules[number];
  return !broken && rule.name == old.name && names_its_ends(rule) && names_its_ends(old) && !rule.expires &&
         !old.expires && classes.from.size() * classes.to.size() <= kMostPairs;
}

// Takes the rule out of the pairs that it named and puts it among those that it names now.
void Editor::State::move_rule(std::uint32_t number, const model::Rule& rule, ClassedRule now,
                              std::vector<std::uint64_t>& touched) {
  ClassedRule& old = compilation.classes.rules[number];
  const bool stays = same_ends(rule, policy.rules[number]);
  policy.rules[number] = rule;
  if (stays) {
    old.port_bounds = std::move(now.port_bounds);
    for_each_pair(old, [&](std::uint64_t key) { touched.push_back(key); });
    return;
  }
  for_each_pair(old, [&](std::uint64_t key) {
    std::erase(rules_of_pair[key], number);
    touched.push_back(key);
  });
  for_each_pair(now, [&](std::uint64_t key) {
    auto& rules = rules_of_pair[key];
    rules.insert(std::ranges::lower_bound(rules, number), number);
    touched.push_back(key);
  });
  std::ranges::sort(touched);
  const auto repeated = std::ranges::unique(touched);
  touched.erase(repeated.begin(), repeated.end());
  old = std::move(now);
}

bool Editor::State::write_row(std::size_t row, std::vector<Patch>& patches) {
  krait_short_row written = compilation.builder.rows().short_rows[row];
  const std::size_t moments = compilation.cells.moments().size();
  for (krait_run& run : written.runs) {
    run.cell = compilation.cells.final_cell(run.cell, compilation.records.of_rule);
  }
  if (row >= room || compilation.cells.moments().size() != moments) {
    return false;
  }
  const std::size_t start =
      std::size_t{compilation.header.short_row_page} * KRAIT_PAGE_BYTES + row * sizeof(krait_short_row);
  for (std::size_t i = 0; i < KRAIT_SHORT_RUNS; ++i) {
    const std::size_t at = start + i * sizeof(krait_run);
    patches.push_back({static_cast<std::uint32_t>(at), written.runs[i].first_class});
    patches.push_back({static_cast<std::uint32_t>(at + sizeof(std::uint32_t)), written.runs[i].cell});
  }
  return true;
}

// The pair's row by the rules of now.
bool Editor::State::rebuild(std::uint64_t key, std::vector<Patch>& patches) {
  const Rows& rows = compilation.builder.rows();
  const std::size_t words = rows.words.size();
  const std::size_t short_rows = rows.short_rows.size();
  const auto source = static_cast<std::uint32_t>(key / compilation.classes.destinations);
  const auto destination = static_cast<std::uint32_t>(key % compilation.classes.destinations);
  compilation.effort = {};
  const std::uint32_t row = compilation.builder.row_of(source, destination, rules_of_pair[key]);
  if (compilation.effort.exhausted() || compilation.cells.is_full()) {
    return false;
  }
  if (rows.words.size() != words || (rows.short_rows.size() != short_rows && !write_row(short_rows, patches))) {
    return false;  // a new long row, or no room
  }
  if (rows.matrix[key] != row) {
    compilation.builder.set_row(key, row);
    const std::size_t at = std::size_t{compilation.header.matrix_page} * KRAIT_PAGE_BYTES + key * sizeof(std::uint32_t);
    patches.push_back({static_cast<std::uint32_t>(at), row});
  }
  return true;
}

Editor::Editor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Editor::Editor(Editor&&) noexcept = default;
Editor& Editor::operator=(Editor&&) noexcept = default;
Editor::~Editor() = default;

common::Result<Editor> Editor::create(const std::vector<Binding>& bindings, model::Policy policy,
                                      std::uint64_t revision, const Origin& origin) {
  auto state = std::make_unique<State>(std::move(policy), origin);
  if (auto built = state->compilation.build(Bounds{}); !built) {
    return std::move(built.error());
  }
  state->room = state->compilation.builder.rows().short_rows.size() + kSpareRows;
  state->snapshot = state->compilation.image(bindings, revision, kSpareRows);
  state->index();
  return Editor(std::move(state));
}

const Snapshot& Editor::snapshot() const { return state_->snapshot; }

const model::Policy& Editor::policy() const { return state_->policy; }

std::optional<std::vector<Patch>> Editor::replace(std::uint32_t index, const model::Rule& rule) {
  if (!state_->is_edit(index, rule)) {
    return std::nullopt;
  }
  auto now = state_->classed(index, rule);
  if (!now) {
    return std::nullopt;
  }
  std::vector<std::uint64_t> touched;
  state_->move_rule(index, rule, std::move(*now), touched);
  std::vector<Patch> patches;
  patches.reserve(touched.size() * (2 * KRAIT_SHORT_RUNS + 1));
  for (const std::uint64_t key : touched) {
    if (!state_->rebuild(key, patches)) {
      state_->broken = true;
      return std::nullopt;
    }
  }
  return patches;
}

}  // namespace krait::compile
