#include "krait/compile/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "krait/compile/address_table.h"
#include "krait/compile/cells.h"
#include "krait/compile/classes.h"
#include "krait/compile/effort.h"
#include "krait/compile/records.h"
#include "krait/compile/rows.h"

namespace krait::compile {

namespace {

// The steps with all that they leave behind. Not movable: its parts refer to each other, and to the policy, which must
// outlive it.
struct Compilation {
  Compilation(const model::Policy& policy_in, const Origin& origin)
      : policy(policy_in),
        classes(classify(policy_in)),
        records(number_rules(policy_in, origin.now, origin.former)),
        cells(policy_in, deadlines(policy_in, origin.now, records), effort),
        builder(policy_in, classes, cells, effort) {}
  Compilation(const Compilation&) = delete;
  Compilation& operator=(const Compilation&) = delete;

  // Fails with ErrorCode::limit.
  common::Result<void> build(const Bounds& bounds);
  // The image; `header` becomes its header.
  [[nodiscard]] Snapshot image(const std::vector<Binding>& bindings, std::uint64_t revision);

  const model::Policy& policy;
  Classes classes;
  Records records;
  Effort effort;
  Cells cells;
  RowBuilder builder;
  krait_snapshot_header header{};
};

std::vector<krait_slot> make_slots(const model::Policy& policy, const Classes& classes) {
  std::vector<krait_slot> slots;
  slots.reserve(policy.identities.size());
  for (std::size_t i = 0; i < policy.identities.size(); ++i) {
    slots.push_back({policy.identities[i].tag, static_cast<std::uint16_t>(classes.source_of_identity[i]),
                     static_cast<std::uint16_t>(classes.destination_of_identity[i])});
  }
  return slots;
}

// Lays section behind section, each on a page of its own.
class ImageWriter {
 public:
  // `expected_bytes`: room for them is made at once; there may be more.
  explicit ImageWriter(std::size_t expected_bytes) {
    image_.reserve(expected_bytes);
    image_.resize(KRAIT_PAGE_BYTES);
  }

  template <typename T>
  std::uint32_t add(const std::vector<T>& section) {
    static_assert(KRAIT_PAGE_BYTES % sizeof(T) == 0, "an element must not cross a page");
    const std::size_t start = image_.size();
    const std::size_t bytes = section.size() * sizeof(T);
    image_.resize(start + (bytes + KRAIT_PAGE_BYTES - 1) / KRAIT_PAGE_BYTES * KRAIT_PAGE_BYTES);
    if (bytes != 0) {
      std::memcpy(image_.data() + start, section.data(), bytes);
    }
    return static_cast<std::uint32_t>(start / KRAIT_PAGE_BYTES);
  }

  // The same with each element as `change` leaves it.
  template <typename T, typename Change>
  std::uint32_t add_changed(const std::vector<T>& section, const Change& change) {
    const std::uint32_t page = add(section);
    std::byte* at = image_.data() + std::size_t{page} * KRAIT_PAGE_BYTES;
    for (T element : section) {
      change(element);
      std::memcpy(at, &element, sizeof(T));
      at += sizeof(T);
    }
    return page;
  }

  std::vector<std::byte> finish(krait_snapshot_header& header) {
    header.pages = static_cast<std::uint32_t>(image_.size() / KRAIT_PAGE_BYTES);
    std::memcpy(image_.data(), &header, sizeof(header));
    return std::move(image_);
  }

 private:
  std::vector<std::byte> image_;
};

std::vector<std::uint32_t> rule_of_record(const Records& records) {
  std::vector<std::uint32_t> rules(records.records.size(), kNoRule);
  for (std::uint32_t rule = 0; rule < records.of_rule.size(); ++rule) {
    rules[records.of_rule[rule]] = rule;
  }
  return rules;
}

std::uint32_t host_slot(const std::vector<Binding>& bindings) {
  const auto own =
      std::ranges::find_if(bindings, [](const Binding& binding) { return binding.local() && !binding.routed; });
  return own == bindings.end() ? KRAIT_NO_SLOT : own->identity;
}

void add_addresses(const AddressTable& table, ImageWriter& writer, krait_snapshot_header& header) {
  header.hash_seed = table.hash_seed;
  header.v4_root = table.v4_root;
  header.v6_root = table.v6_root;
  std::ranges::copy(table.nodes, header.nodes);
  header.bucket_mask = static_cast<std::uint32_t>(table.buckets.size() - 1);
  header.bucket_page = writer.add(table.buckets);
}

// Makes the cells that the program reads, so that all moments are there.
common::Result<void> finish_cells(const Rows& rows, Cells& cells, const Records& records) {
  for (const krait_short_row& row : rows.short_rows) {
    for (const krait_run& run : row.runs) {
      cells.final_cell(run.cell, records.of_rule);
    }
  }
  for (const std::uint32_t cell : rows.cells) {
    cells.final_cell(cell, records.of_rule);
  }
  return cells.check();
}

// Behind finish_cells().
void add_rows(Compilation& compilation, ImageWriter& writer) {
  const Rows& rows = compilation.builder.rows();
  krait_snapshot_header& header = compilation.header;
  const auto finish = [&](std::uint32_t& cell) {
    cell = compilation.cells.final_cell(cell, compilation.records.of_rule);
  };
  header.port_class_page = writer.add(compilation.classes.port_of_selector);
  header.matrix_page = writer.add(rows.matrix);
  header.matrix_stride = compilation.classes.destinations;
  header.short_row_page = writer.add_changed(rows.short_rows, [&](krait_short_row& row) {
    for (krait_run& run : row.runs) {
      finish(run.cell);
    }
  });
  header.word_page = writer.add(rows.words);
  header.word_stride = rows.word_stride;
  header.cell_page = writer.add_changed(rows.cells, finish);
}

// What the image will take, or a little more.
std::size_t expected_bytes(const Compilation& compilation, std::size_t bindings) {
  constexpr std::size_t kFixed = std::size_t{1} << 20U;  // port classes, nodes, what pages are not filled
  constexpr std::size_t kBindingBytes = 128;
  return kFixed + compilation.builder.rows().bytes() + compilation.cells.moments().size() * sizeof(krait_moment) +
         compilation.records.records.size() * sizeof(krait_rule_record) +
         compilation.policy.identities.size() * sizeof(krait_slot) + bindings * kBindingBytes;
}

common::Result<void> Compilation::build(const Bounds& bounds) {
  if (policy.rules.size() > KRAIT_MAX_RULES) {
    return common::Error(common::ErrorCode::limit,
                         fmt::format("{}: {} rules, {} more than the limit of {}", policy.file, policy.rules.size(),
                                     policy.rules.size() - KRAIT_MAX_RULES, KRAIT_MAX_RULES));
  }
  KRAIT_CHECK(check_classes(bounds, policy, std::max(classes.sources, classes.destinations)));
  KRAIT_CHECK(builder.build(bounds));
  return finish_cells(builder.rows(), cells, records);
}

Snapshot Compilation::image(const std::vector<Binding>& bindings, std::uint64_t revision) {
  std::vector<AddressEntry> addresses;
  addresses.reserve(bindings.size());
  for (const Binding& binding : bindings) {
    addresses.push_back({binding.prefix, binding.identity, binding.host, binding.routed});
  }
  header.magic = KRAIT_SNAPSHOT_MAGIC;
  header.abi_version = KRAIT_ABI_VERSION;
  header.revision = revision;
  header.host_slot = host_slot(bindings);
  const Rows& rows = builder.rows();
  ImageWriter writer(expected_bytes(*this, bindings.size()));
  add_addresses(build_address_table(addresses), writer, header);
  header.slot_page = writer.add(make_slots(policy, classes));
  add_rows(*this, writer);
  header.moment_page = writer.add(cells.moments());
  header.rule_page = writer.add(records.records);
  header.rule_records = static_cast<std::uint32_t>(records.records.size());
  return Snapshot{.image = writer.finish(header),
                  .identity_classes = std::max(classes.sources, classes.destinations),
                  .port_classes = classes.ports,
                  .rows = rows.distinct,
                  .cells = static_cast<std::uint32_t>(rows.cells.size()),
                  .rule_of_record = rule_of_record(records)};
}

}  // namespace

common::Result<Snapshot> compile_snapshot(const std::vector<Binding>& bindings, const model::Policy& policy,
                                          std::uint64_t revision, const Origin& origin, const Bounds& bounds) {
  Compilation compilation(policy, origin);
  KRAIT_CHECK(compilation.build(bounds));
  Snapshot snapshot = compilation.image(bindings, revision);
  KRAIT_CHECK(check_size(bounds, policy, snapshot.image.size()));
  return snapshot;
}

std::span<const krait_rule_record> rule_records(std::span<const std::byte> image) {
  const auto* header = reinterpret_cast<const krait_snapshot_header*>(image.data());
  const std::byte* first = image.data() + std::size_t{header->rule_page} * KRAIT_PAGE_BYTES;
  return {reinterpret_cast<const krait_rule_record*>(first), header->rule_records};
}

std::vector<std::uint64_t> time_left_ns(const model::Policy& policy, const Origin& origin) {
  if (std::ranges::none_of(policy.rules, [](const model::Rule& rule) { return rule.expires || rule.lease_ends_s; })) {
    return std::vector<std::uint64_t>(policy.rules.size(), kNever);
  }
  auto when = deadlines(policy, origin.now, number_rules(policy, origin.now, origin.former));
  for (std::uint64_t& deadline : when) {
    deadline -= deadline == 0 || deadline == kNever ? 0 : origin.now.boot_ns;
  }
  return when;
}

std::vector<common::Diagnostic> expired_rules(const model::Policy& policy, const Origin& origin) {
  const auto left_ns = time_left_ns(policy, origin);
  std::vector<common::Diagnostic> warnings;
  for (std::size_t i = 0; i < left_ns.size(); ++i) {
    const model::Rule& rule = policy.rules[i];
    // That the lease has run out is said once, not of every rule.
    const bool by_lease = rule.lease_ends_s && *rule.lease_ends_s <= origin.now.unix_ns / 1'000'000'000;
    if (left_ns[i] == 0 && !by_lease) {
      warnings.push_back({policy.file, rule.at.line, rule.at.column,
                          fmt::format("the rule \"{}\" has expired and does nothing", rule.name),
                          "remove it, or give it a later expiry"});
    }
  }
  return warnings;
}

}  // namespace krait::compile
