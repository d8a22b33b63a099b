#include "krait/doctor/dropped_by.h"

#include <array>
#include <utility>

namespace krait::doctor {

using common::Family;
using common::find_member;
using common::list_at;
using common::object_at;
using common::text_at;

namespace {

enum class Truth : std::uint8_t { no, yes, unknown };
enum class Verdict : std::uint8_t { none, accept, drop };

constexpr int kMaxJumps = 16;  // NFT_JUMP_STACK_SIZE, include/net/netfilter/nf_tables.h
// Rules and elements that are looked at for a packet. Chains that jump into each other twice have many more ways
// through than rules.
constexpr int kMaxSteps = 1'000'000;

Truth truth(bool value) { return value ? Truth::yes : Truth::no; }

Truth both(Truth a, Truth b) {
  if (a == Truth::no || b == Truth::no) {
    return Truth::no;
  }
  return a == Truth::yes && b == Truth::yes ? Truth::yes : Truth::unknown;
}

Truth any_of(Truth a, Truth b) {
  if (a == Truth::yes || b == Truth::yes) {
    return Truth::yes;
  }
  return a == Truth::no && b == Truth::no ? Truth::no : Truth::unknown;
}

// The protocol's number, by the names that libnftables writes.
std::optional<std::int64_t> protocol_number(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, int>, 8> kNames{{{"icmp", 1},
                                                                    {"tcp", 6},
                                                                    {"udp", 17},
                                                                    {"ipv6-icmp", 58},
                                                                    {"icmpv6", 58},
                                                                    {"sctp", 132},
                                                                    {"udplite", 136},
                                                                    {"esp", 50}}};
  for (const auto& [text, number] : kNames) {
    if (text == name) {
      return number;
    }
  }
  return std::nullopt;
}

// What a rule looks at in the packet: a number, a text or an address; nothing: not known.
struct Value {
  std::optional<std::int64_t> number;
  std::optional<std::string> text;
  std::optional<common::Ip> ip;
  bool absent = false;     // the packet has no such thing: nothing matches
  bool pins_down = false;  // a port or an interface: who asks for it means this packet
};

Value of_text(const std::string& text) {
  return text.empty() ? Value{} : Value{.number = {}, .text = text, .ip = {}, .pins_down = true};
}

Value of_ip(const std::optional<common::Ip>& ip) { return {.number = {}, .text = {}, .ip = ip}; }

Value meta_value(const Packet& packet, const std::string& key) {
  if (key == "iifname" || key == "iif") {
    return of_text(packet.in);
  }
  if (key == "oifname" || key == "oif") {
    return of_text(packet.out);
  }
  if (key == "l4proto") {
    return {.number = packet.protocol, .text = {}, .ip = {}};
  }
  if (key == "nfproto") {
    return {.number = {}, .text = packet.family == Family::v4 ? "ipv4" : "ipv6", .ip = {}};
  }
  if (key == "protocol") {
    return {.number = {}, .text = packet.family == Family::v4 ? "ip" : "ip6", .ip = {}};
  }
  return {};
}

Value address_value(const Packet& packet, bool own_family, const std::string& field) {
  if (!own_family) {
    return {.number = {}, .text = {}, .ip = {}, .absent = true};
  }
  if (field == "saddr" || field == "daddr") {
    return of_ip(field == "saddr" ? packet.source : packet.destination);
  }
  if (field == "protocol" || field == "nexthdr") {
    return {.number = packet.protocol, .text = {}, .ip = {}};
  }
  return {};
}

Value payload_value(const Packet& packet, const std::string& protocol, const std::string& field) {
  if (protocol == "ip" || protocol == "ip6") {
    return address_value(packet, (protocol == "ip") == (packet.family == Family::v4), field);
  }
  if (protocol != "th" && protocol_number(protocol) != packet.protocol) {
    return {.number = {}, .text = {}, .ip = {}, .absent = true};
  }
  if (field == "dport" && packet.port) {
    return {.number = *packet.port, .text = {}, .ip = {}, .pins_down = true};
  }
  if (field == "type" && packet.icmp_type) {
    return {.number = *packet.icmp_type, .text = {}, .ip = {}, .pins_down = true};
  }
  return {};
}

Value value_of(const Packet& packet, const Json& left) {
  if (const Json* meta = find_member(left, "meta")) {
    return meta_value(packet, text_at(*meta, "key"));
  }
  if (const Json* payload = find_member(left, "payload")) {
    return payload_value(packet, text_at(*payload, "protocol"), text_at(*payload, "field"));
  }
  if (const Json* ct = find_member(left, "ct"); ct != nullptr && text_at(*ct, "key") == "state") {
    return {.number = {}, .text = "new", .ip = {}};
  }
  return {};
}

std::optional<std::int64_t> number_of(const Json& json) {
  if (json.is_number_integer()) {
    return json.get<std::int64_t>();
  }
  if (!json.is_string()) {
    return std::nullopt;
  }
  const auto text = json.get<std::string>();
  if (text == "echo-request") {
    return std::nullopt;  // 8 or 128: its caller knows the family
  }
  return protocol_number(text);
}

Truth matches_text(const std::string& value, const Json& wanted) {
  if (!wanted.is_string()) {
    return Truth::unknown;
  }
  const auto text = wanted.get<std::string>();
  return text.ends_with('*') ? truth(value.starts_with(std::string_view(text).substr(0, text.size() - 1)))
                             : truth(value == text);
}

Truth matches_ip(const common::Ip& value, const Json& wanted) {
  if (const Json* prefix = find_member(wanted, "prefix")) {
    const auto ip = common::Ip::parse(text_at(*prefix, "addr"));
    const Json* length = find_member(*prefix, "len");
    if (ip && length != nullptr && length->is_number_unsigned() && length->get<unsigned>() <= ip->bits()) {
      return truth(common::Prefix{*ip, static_cast<std::uint8_t>(length->get<unsigned>())}.contains(value));
    }
    return Truth::unknown;
  }
  const auto ip = wanted.is_string() ? common::Ip::parse(wanted.get<std::string>()) : std::nullopt;
  return ip ? truth(*ip == value) : Truth::unknown;
}

Truth matches_number(std::int64_t value, const Json& wanted) {
  if (wanted.is_string() && wanted.get<std::string>() == "echo-request") {
    return truth(value == 8 || value == 128);
  }
  if (const Json* range = find_member(wanted, "range"); range != nullptr && range->is_array() && range->size() == 2) {
    const auto first = number_of((*range)[0]);
    const auto last = number_of((*range)[1]);
    return first && last ? truth(*first <= value && value <= *last) : Truth::unknown;
  }
  const auto number = number_of(wanted);
  // A name that is not known is another protocol's, or another ICMP type's.
  return number ? truth(*number == value) : truth(false);
}

// One base chain's walk.
class ChainWalk {
 public:
  ChainWalk(const Ruleset& ruleset, const Packet& packet) : ruleset_(ruleset), packet_(packet) {}

  bool drops(const Chain& base) {
    const Verdict verdict = chain(base, 0);
    return (verdict == Verdict::drop || (verdict == Verdict::none && base.drops)) && !maybe_accepted_ &&
           steps_ <= kMaxSteps;  // what was not walked to its end may accept
  }

 private:
  struct Match {
    Truth truth = Truth::yes;
    bool pins_down = false;
  };

  Verdict chain(const Chain& chain, int depth);
  std::optional<Verdict> rule(const Chain& chain, const Json& expressions, int depth);
  std::optional<Verdict> act(const Chain& chain, const Json& action, const Match& match, int depth);
  Truth matches(const Chain& chain, const Value& value, const Json& wanted, int depth);
  Truth matches_set(const Chain& chain, const Value& value, const Json& elements, int depth);
  void look(const Chain& chain, const Json& expression, Match& match);

  const Ruleset& ruleset_;
  const Packet& packet_;
  bool maybe_accepted_ = false;
  bool may_return_ = false;  // from the chain that is being walked, under a condition that is not known
  int steps_ = 0;
};

Truth ChainWalk::matches_set(const Chain& chain, const Value& value, const Json& elements, int depth) {
  Truth found = Truth::no;
  for (const Json& element : elements) {
    found = any_of(found, matches(chain, value, element, depth + 1));
  }
  return found;
}

Truth ChainWalk::matches(const Chain& chain, const Value& value, const Json& wanted, int depth) {
  if (value.absent) {
    return Truth::no;
  }
  if (depth > kMaxJumps || ++steps_ > kMaxSteps) {
    return Truth::unknown;
  }
  if (const Json* set = find_member(wanted, "set"); set != nullptr && set->is_array()) {
    return matches_set(chain, value, *set, depth);
  }
  if (const Json* element = find_member(wanted, "elem")) {
    const Json* inner = find_member(*element, "val");
    return inner != nullptr ? matches(chain, value, *inner, depth + 1) : Truth::unknown;
  }
  if (wanted.is_array()) {
    return matches_set(chain, value, wanted, depth);
  }
  if (wanted.is_string() && wanted.get<std::string>().starts_with('@')) {
    const auto set = ruleset_.sets.find({chain.family, chain.table, wanted.get<std::string>().substr(1)});
    return set == ruleset_.sets.end() ? Truth::unknown : matches_set(chain, value, set->second, depth);
  }
  if (value.number) {
    return matches_number(*value.number, wanted);
  }
  if (value.ip) {
    return matches_ip(*value.ip, wanted);
  }
  return value.text ? matches_text(*value.text, wanted) : Truth::unknown;
}

// A condition of a rule.
void ChainWalk::look(const Chain& chain, const Json& expression, Match& match) {
  if (const Json* test = find_member(expression, "match")) {
    const Json* left = find_member(*test, "left");
    const Json* right = find_member(*test, "right");
    const Value value = left != nullptr ? value_of(packet_, *left) : Value{};
    const std::string op = text_at(*test, "op");
    Truth holds = right != nullptr ? matches(chain, value, *right, 0) : Truth::unknown;
    if (op == "!=" && holds != Truth::unknown && !value.absent) {
      holds = truth(holds == Truth::no);
    } else if (op != "==" && op != "in" && op != "!=") {
      holds = value.absent ? Truth::no : Truth::unknown;
    }
    match.pins_down = match.pins_down || (value.pins_down && holds == Truth::yes && op != "!=");
    match.truth = both(match.truth, holds);
    return;
  }
  const Json* xt = find_member(expression, "xt");
  if (xt != nullptr && text_at(*xt, "type") != "target") {
    const std::string name = text_at(*xt, "name");
    match.pins_down = match.pins_down || name == "multiport" || name == "udp" || name == "tcp" || name == "icmp" ||
                      name == "icmp6" || name == "set";
    match.truth = both(match.truth, Truth::unknown);
  } else if (find_member(expression, "limit") != nullptr || find_member(expression, "ct count") != nullptr) {
    match.truth = both(match.truth, Truth::unknown);
  }
}

// What a rule does once its conditions have been looked at; empty: go on with the next expression.
std::optional<Verdict> ChainWalk::act(const Chain& chain, const Json& action, const Match& match, int depth) {
  const bool sure = match.truth == Truth::yes;
  const auto accept = [&]() -> std::optional<Verdict> {
    if (sure) {
      return Verdict::accept;
    }
    maybe_accepted_ = maybe_accepted_ || match.pins_down;
    return std::nullopt;
  };
  if (find_member(action, "accept") != nullptr || find_member(action, "queue") != nullptr) {
    return accept();
  }
  const Json* xt = find_member(action, "xt");
  const bool xt_drops = xt != nullptr && text_at(*xt, "type") == "target" &&
                        (text_at(*xt, "name") == "REJECT" || text_at(*xt, "name") == "DROP");
  if (find_member(action, "drop") != nullptr || find_member(action, "reject") != nullptr || xt_drops) {
    return sure ? std::optional(Verdict::drop) : std::nullopt;
  }
  if (find_member(action, "return") != nullptr) {
    may_return_ = may_return_ || !sure;
    return sure ? std::optional(Verdict::none) : std::nullopt;
  }
  for (const char* way : {"jump", "goto"}) {
    const Json* jump = find_member(action, way);
    const auto target = jump == nullptr ? ruleset_.chains.end()
                                        : ruleset_.chains.find({chain.family, chain.table, text_at(*jump, "target")});
    if (target == ruleset_.chains.end() || depth >= kMaxJumps) {
      continue;
    }
    const Verdict verdict = this->chain(target->second, depth + 1);
    if (verdict == Verdict::accept) {
      return accept();
    }
    if (sure && (verdict == Verdict::drop || std::string_view(way) == "goto")) {
      return verdict;
    }
  }
  return std::nullopt;
}

std::optional<Verdict> ChainWalk::rule(const Chain& chain, const Json& expressions, int depth) {
  Match match;
  for (const Json& expression : expressions) {
    look(chain, expression, match);
    if (match.truth == Truth::no) {
      return std::nullopt;
    }
    if (const Json* map = find_member(expression, "vmap")) {
      const Json* key = find_member(*map, "key");
      const Value value = key != nullptr ? value_of(packet_, *key) : Value{};
      for (const Json& entry : list_at(object_at(*map, "data"), "set")) {
        if (!entry.is_array() || entry.size() != 2) {
          continue;
        }
        Match here = match;
        const Truth holds = matches(chain, value, entry[0], 0);
        here.truth = both(match.truth, holds);
        here.pins_down = match.pins_down || (value.pins_down && holds == Truth::yes);
        if (here.truth == Truth::no) {
          continue;
        }
        if (const auto verdict = act(chain, entry[1], here, depth)) {
          return verdict;
        }
      }
      continue;
    }
    if (const auto verdict = act(chain, expression, match, depth)) {
      return verdict;
    }
  }
  return std::nullopt;
}

Verdict ChainWalk::chain(const Chain& chain, int depth) {
  const bool outer = std::exchange(may_return_, false);
  Verdict verdict = Verdict::none;
  for (const Json& expressions : chain.rules) {
    if (++steps_ > kMaxSteps) {
      break;
    }
    if (const auto decided = rule(chain, expressions, depth)) {
      verdict = *decided;
      break;
    }
  }
  if (verdict == Verdict::drop && may_return_) {
    verdict = Verdict::none;
  }
  may_return_ = outer;
  return verdict;
}

}  // namespace

const Chain* dropped_by(const Ruleset& ruleset, const Packet& packet, std::string_view hook) {
  const std::string_view own_family = packet.family == Family::v4 ? "ip" : "ip6";
  for (const auto& [name, chain] : ruleset.chains) {
    const bool concerned = chain.type == "filter" && (chain.hook == hook || chain.hook == "prerouting") &&
                           (chain.family == own_family || chain.family == "inet");
    if (concerned && ChainWalk(ruleset, packet).drops(chain)) {
      return &chain;
    }
  }
  return nullptr;
}

}  // namespace krait::doctor
