#include "krait/compile/records.h"

#include <algorithm>
#include <unordered_map>

#include "common/hash.h"

namespace krait::compile {

namespace {

constexpr std::uint64_t kNsPerS = 1'000'000'000;

// FNV-1a of texts; numbers are mixed in by a multiplication that spreads the high bits.
class Hash {
 public:
  void add(std::string_view bytes) {
    hash_ = common::fnv1a("\xff", common::fnv1a(bytes, hash_));  // 0xff is no byte of UTF-8: an end
  }
  void add(std::uint64_t number) { hash_ = (hash_ ^ number) * 0x9e3779b97f4a7c15ULL ^ hash_ >> 29U; }
  void add(const std::vector<std::uint32_t>& numbers) {
    add(numbers.size());
    for (const std::uint32_t number : numbers) {
      add(number);
    }
  }
  // Never 0, which stands for none.
  [[nodiscard]] std::uint64_t value() const { return std::max<std::uint64_t>(hash_ ^ hash_ >> 32U, 1); }

 private:
  std::uint64_t hash_ = common::kFnvStart;
};

void add_subjects(Hash& hash, const model::Policy& policy, const model::Subjects& subjects) {
  hash.add(subjects.any ? 1U : 0U);
  hash.add(subjects.identities.size());
  for (const std::uint32_t identity : subjects.identities) {
    hash.add(policy.identities[identity].name);
  }
}

bool has_duration(const model::Rule& rule) { return rule.expires && rule.expires->kind == model::Expiry::Kind::after; }

// Of all that the rule says, whatever its place in the file.
std::uint64_t duration_hash(const model::Policy& policy, const model::Rule& rule) {
  if (!has_duration(rule)) {
    return 0;
  }
  Hash hash;
  hash.add(rule.name);
  hash.add(rule.action == model::Action::allow ? 1U : 0U);
  add_subjects(hash, policy, rule.from);
  add_subjects(hash, policy, rule.to);
  hash.add(rule.selectors.size());
  for (const model::SelectorRange& range : rule.selectors) {
    hash.add(std::uint64_t{range.first} << 32U | range.last);
  }
  hash.add(static_cast<std::uint64_t>(rule.expires->seconds));
  return hash.value();
}

// The numbers that nobody used before, the lowest first.
class FreeNumbers {
 public:
  explicit FreeNumbers(std::span<const krait_rule_record> former) : former_(former) {}
  std::uint32_t take() {
    while (next_ < former_.size() && former_[next_].name_hash != 0) {
      ++next_;
    }
    return next_++;
  }

 private:
  std::span<const krait_rule_record> former_;
  std::uint32_t next_ = 0;
};

std::uint64_t after(std::uint64_t start_ns, std::uint64_t ns) {
  return start_ns > kNever - 1 - ns ? kNever - 1 : start_ns + ns;
}

std::uint64_t deadline_of(const model::Expiry& expires, const common::Moment& now, std::uint64_t loaded_boot_ns) {
  const std::int64_t now_s = now.unix_ns / static_cast<std::int64_t>(kNsPerS);
  const std::uint64_t past_s_ns = static_cast<std::uint64_t>(now.unix_ns) % kNsPerS;
  const bool has_moment = expires.kind == model::Expiry::Kind::at;
  // Seconds first: the end of the year 9999 does not fit into 64 bits of nanoseconds.
  const std::int64_t left_s = has_moment ? expires.seconds - now_s : expires.seconds;
  if (left_s <= 0) {
    return 0;
  }
  const std::uint64_t start_ns = has_moment ? now.boot_ns : loaded_boot_ns;
  const std::uint64_t max_s = kNever / kNsPerS - 1;
  const std::uint64_t left_ns = std::min(static_cast<std::uint64_t>(left_s), max_s) * kNsPerS;
  const std::uint64_t deadline = after(start_ns, has_moment ? left_ns - past_s_ns : left_ns);
  return deadline <= now.boot_ns ? 0 : deadline;
}

}  // namespace

std::uint64_t rule_name_hash(std::string_view name) {
  Hash hash;
  hash.add(name);
  return hash.value();
}

Records number_rules(const model::Policy& policy, const common::Moment& now,
                     std::span<const krait_rule_record> former) {
  std::unordered_map<std::uint64_t, std::uint32_t> known;
  known.reserve(former.size());
  for (std::uint32_t number = 0; number < former.size(); ++number) {
    if (former[number].name_hash != 0) {
      known.emplace(former[number].name_hash, number);
    }
  }
  FreeNumbers free(former);
  Records records;
  records.of_rule.reserve(policy.rules.size());
  records.records.reserve(policy.rules.size());
  for (const model::Rule& rule : policy.rules) {
    const std::uint64_t name_hash = rule_name_hash(rule.name);
    const auto old = known.extract(name_hash);
    const std::uint32_t number = old.empty() ? free.take() : old.mapped();
    krait_rule_record record{
        .name_hash = name_hash, .duration_hash = duration_hash(policy, rule), .loaded_boot_ns = 0, .reserved = 0};
    if (record.duration_hash != 0) {
      record.loaded_boot_ns = now.boot_ns;
    }
    if (!old.empty() && record.duration_hash != 0 && former[number].duration_hash == record.duration_hash) {
      record.loaded_boot_ns = former[number].loaded_boot_ns;
    }
    if (number >= records.records.size()) {
      records.records.resize(std::size_t{number} + 1);
    }
    records.records[number] = record;
    records.of_rule.push_back(number);
  }
  return records;
}

std::vector<std::uint64_t> deadlines(const model::Policy& policy, const common::Moment& now, const Records& records) {
  std::vector<std::uint64_t> deadlines(policy.rules.size(), kNever);
  for (std::size_t i = 0; i < policy.rules.size(); ++i) {
    const model::Rule& rule = policy.rules[i];
    if (rule.expires) {
      deadlines[i] = deadline_of(*rule.expires, now, records.records[records.of_rule[i]].loaded_boot_ns);
    }
    if (rule.lease_ends_s) {
      const model::Expiry lease{.kind = model::Expiry::Kind::at, .seconds = *rule.lease_ends_s};
      deadlines[i] = std::min(deadlines[i], deadline_of(lease, now, 0));
    }
  }
  return deadlines;
}

}  // namespace krait::compile
