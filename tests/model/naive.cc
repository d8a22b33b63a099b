#include "tests/model/naive.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "tests/model/protocols.h"

namespace krait::naive {
namespace {

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kRst = 0x04;
constexpr std::uint8_t kAck = 0x10;

// A flow's time stamp is renewed when it is older than this, so that a busy flow is rarely written.
constexpr std::uint64_t kRefreshS = 1;

bool is_v6(const common::Ip& ip) { return ip.family == common::Family::v6; }

bool asks_to_open(const Headers& headers) { return (headers.tcp_flags & (kSyn | kAck)) == kSyn; }

// The type of the ICMP request that this reply type answers.
std::optional<std::uint8_t> request_answered_by(const Tuple& tuple) {
  struct Pair {
    bool v6;
    std::uint8_t request;
    std::uint8_t reply;
  };
  static constexpr Pair kPairs[] = {{false, 8, 0},   {false, 13, 14},  {false, 15, 16},
                                    {false, 17, 18}, {true, 128, 129}, {true, 139, 140}};
  for (const Pair& pair : kPairs) {
    if (tuple.is_icmp() && pair.v6 == is_v6(tuple.source) && pair.reply == tuple.icmp_type) {
      return pair.request;
    }
  }
  return std::nullopt;
}

bool is_request(const Tuple& tuple) {
  const std::uint8_t type = tuple.icmp_type;
  return tuple.is_icmp() &&
         (is_v6(tuple.source) ? type == 128 || type == 139 : type == 8 || type == 13 || type == 15 || type == 17);
}

bool may_open(const Tuple& tuple) { return !tuple.is_icmp() || is_request(tuple); }

bool may_answer(const Tuple& tuple) { return !tuple.is_icmp() || request_answered_by(tuple).has_value(); }

// The packet that this one would answer.
Tuple turned_round(const Tuple& tuple) {
  Tuple turned = tuple;
  std::swap(turned.source, turned.destination);
  std::swap(turned.source_port, turned.destination_port);
  if (const auto request = request_answered_by(tuple)) {
    turned.icmp_type = *request;
  }
  return turned;
}

bool covers(const common::Prefix& prefix, const common::Ip& ip) {
  if (prefix.ip.family != ip.family) {
    return false;
  }
  for (unsigned bit = 0; bit < prefix.length; ++bit) {
    const unsigned shift = 7 - bit % 8;
    if ((prefix.ip.bytes[bit / 8] >> shift & 1U) != (ip.bytes[bit / 8] >> shift & 1U)) {
      return false;
    }
  }
  return true;
}

std::uint32_t word_of(const std::uint8_t* bytes) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// The address as a flow's key has it: IPv4 mapped.
std::array<std::uint32_t, 4> words_of(const common::Ip& ip) {
  std::array<std::uint8_t, 16> bytes{};
  if (is_v6(ip)) {
    std::copy_n(ip.bytes.begin(), 16, bytes.begin());
  } else {
    bytes[10] = bytes[11] = 0xff;
    std::copy_n(ip.bytes.begin(), 4, bytes.begin() + 12);
  }
  return {word_of(bytes.data()), word_of(bytes.data() + 4), word_of(bytes.data() + 8), word_of(bytes.data() + 12)};
}

// The kernel forwards no IPv6 packet with such an end: multicast, link-local, loopback.
bool stays_on_its_link(const common::Ip& ip) {
  const auto is_zero = [](auto byte) { return byte == 0; };
  const bool loopback = std::all_of(ip.bytes.begin(), ip.bytes.begin() + 15, is_zero) && ip.bytes[15] == 1;
  return is_v6(ip) && (ip.bytes[0] == 0xff || (ip.bytes[0] == 0xfe && ip.bytes[1] >> 6U == 2) || loopback);
}

// ::ffff:0:0/96 in an IPv6 header: an IPv4 host's address in disguise, nobody's.
bool is_mapped(const common::Ip& ip) {
  return is_v6(ip) && std::all_of(ip.bytes.begin(), ip.bytes.begin() + 10, [](auto byte) { return byte == 0; }) &&
         ip.bytes[10] == 0xff && ip.bytes[11] == 0xff;
}

bool same_key(const krait_flow_key& a, const krait_flow_key& b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

bool includes(const model::Subjects& subjects, std::uint32_t identity) {
  return subjects.any ||
         std::find(subjects.identities.begin(), subjects.identities.end(), identity) != subjects.identities.end();
}

bool matches(const model::Rule& rule, std::uint32_t from, std::uint32_t to, std::uint32_t selector,
             const Defects& defects) {
  if (defects.direction) {
    std::swap(from, to);
  }
  if (!includes(rule.from, from) || !includes(rule.to, to)) {
    return false;
  }
  return std::any_of(rule.selectors.begin(), rule.selectors.end(), [&](const model::SelectorRange& range) {
    const std::uint32_t last = defects.range_edge && range.last > range.first ? range.last - 1 : range.last;
    return selector >= range.first && selector <= last;
  });
}

struct Packet {
  std::uint32_t from;
  std::uint32_t to;
  std::uint32_t selector;
};

// The first rule with this action that has expired, or that has not.
std::optional<std::uint32_t> first_match(const model::Policy& policy, model::Action action, const Packet& packet,
                                         const Defects& defects, const std::function<bool(std::uint32_t)>& counts) {
  for (std::uint32_t i = 0; i < policy.rules.size(); ++i) {
    if (policy.rules[i].action == action && counts(i) &&
        matches(policy.rules[i], packet.from, packet.to, packet.selector, defects)) {
      return i;
    }
  }
  return std::nullopt;
}

// What makes two rules the same one, loaded twice.
bool same_rule(const model::Rule& a, const model::Rule& b) {
  return a.action == b.action && a.from.any == b.from.any && a.from.identities == b.from.identities &&
         a.to.any == b.to.any && a.to.identities == b.to.identities && a.selectors == b.selectors &&
         a.expires == b.expires;
}

}  // namespace

std::string Verdict::text() const {
  return fmt::format("{} reason {} from {} to {} rule {}", allowed ? "allow" : "drop", static_cast<int>(reason),
                     source_tag, destination_tag, rule ? fmt::format("{}", *rule) : "none");
}

Opinion opinion(const model::Policy& policy, std::uint32_t from, std::uint32_t to, std::uint32_t selector,
                const Defects& defects, const std::vector<bool>& expired) {
  if (defects.class_merge) {
    const std::uint32_t last = static_cast<std::uint32_t>(policy.identities.size()) - 1;
    from = from == last ? 0 : from;
    to = to == last ? 0 : to;
  }
  const Packet packet{from, to, selector};
  const auto is_over = [&](std::uint32_t rule) { return !expired.empty() && expired[rule]; };
  const auto holds = [&](std::uint32_t rule) { return !is_over(rule); };
  const auto deny = first_match(policy, model::Action::deny, packet, defects, holds);
  const auto allow = first_match(policy, model::Action::allow, packet, defects, holds);
  if (deny && !(defects.allow_wins && allow)) {
    return {false, deny, false};
  }
  if (allow) {
    return {true, allow, false};
  }
  const auto allowed_once = first_match(policy, model::Action::allow, packet, defects, is_over);
  return {false, allowed_once, allowed_once.has_value()};
}

// As krait/abi/maps.h describes it.
krait_flow_key flow_key(const Tuple& tuple) {
  struct End {
    std::array<std::uint32_t, 4> address;
    std::uint16_t port_be;
    auto operator<=>(const End&) const = default;
  };
  End a{words_of(tuple.source), htons(tuple.source_port)};
  End b{words_of(tuple.destination), htons(tuple.destination_port)};
  if (tuple.is_icmp()) {
    // Requests of either end with one identifier are two flows.
    const auto request = request_answered_by(tuple);
    if (request) {
      std::swap(a, b);
    }
    a.port_be = htons(tuple.identifier);
    b.port_be = request.value_or(tuple.icmp_type);
  } else if (b < a) {
    std::swap(a, b);
  }
  krait_flow_key key{};
  std::copy(a.address.begin(), a.address.end(), key.a_be);
  std::copy(b.address.begin(), b.address.end(), key.b_be);
  key.port_a_be = a.port_be;
  key.port_b_be = b.port_be;
  key.protocol = tuple.protocol;
  return key;
}

void Evaluator::publish(model::Policy policy, std::vector<compile::Binding> bindings) {
  policy_ = std::move(policy);
  bindings_ = std::move(bindings);
  std::map<std::string, Loaded> loaded;
  for (const model::Rule& rule : policy_->rules) {
    const auto before = loaded_.find(rule.name);
    const bool goes_on = before != loaded_.end() && same_rule(before->second.rule, rule) && !defects_.duration_restarts;
    loaded[rule.name] = {rule, goes_on ? before->second.at_s : now_s_};
  }
  loaded_ = std::move(loaded);
}

void Evaluator::start_over(std::uint64_t seconds) {
  now_s_ += seconds;
  began_s_ = now_s_;
  policy_.reset();
  loaded_.clear();
  bindings_.clear();
  fragments_.clear();
}

std::vector<bool> Evaluator::expired_now() const {
  std::vector<bool> expired;
  for (const model::Rule& rule : policy_->rules) {
    bool over = false;
    if (rule.expires && rule.expires->kind == model::Expiry::Kind::at) {
      over = unix_s() >= rule.expires->seconds;
    } else if (rule.expires) {
      over = now_s_ - loaded_.at(rule.name).at_s >= static_cast<std::uint64_t>(rule.expires->seconds);
    }
    expired.push_back(over && !defects_.no_expiry);
  }
  return expired;
}

bool Evaluator::Case::is_error() const { return headers.tuple.is_icmp_error() && !headers.later_fragment; }

std::optional<Evaluator::Place> Evaluator::find(const common::Ip& ip) const {
  const compile::Binding* best = nullptr;
  for (const compile::Binding& binding : bindings_) {
    const bool better = best == nullptr || (defects_.shortest_prefix ? binding.prefix.length < best->prefix.length
                                                                     : binding.prefix.length > best->prefix.length);
    if (covers(binding.prefix, ip) && better) {
      best = &binding;
    }
  }
  if (best == nullptr || is_mapped(ip)) {
    return std::nullopt;
  }
  return Place{best->prefix, best->identity, best->host, best->routed};
}

std::uint32_t Evaluator::tag_of(const std::optional<Place>& place) const {
  return place ? policy_->identities[place->identity].tag : 0;
}

// This host itself, if it has an address of its own.
std::optional<Evaluator::Place> Evaluator::own_place() const {
  for (const compile::Binding& binding : bindings_) {
    if (binding.host == 0 && !binding.routed) {
      return Place{binding.prefix, binding.identity, 0, false};
    }
  }
  return std::nullopt;
}

Opinion Evaluator::opinion_on(const Tuple& tuple, const Place& from, const Place& to) const {
  return opinion(*policy_, from.identity, to.identity, tuple.selector(), defects_, expired_now());
}

// Of a packet between these that arrives on the guarded interface.
Evaluator::Answer Evaluator::ask_route(const common::Ip& source, const common::Ip& destination) const {
  if (stays_on_its_link(source) || stays_on_its_link(destination)) {
    return {Answer::Kind::kept};
  }
  if (!(is_v6(destination) ? routing_->forwards_v6 : routing_->forwards_v4)) {
    return {Answer::Kind::forwards_nothing};
  }
  const Route* best = nullptr;
  for (const Route& route : routing_->routes) {
    if (covers(route.to, destination) && (best == nullptr || route.to.length > best->to.length)) {
      best = &route;
    }
  }
  if (best == nullptr || best->kind == Route::Kind::kept) {
    return {Answer::Kind::kept};
  }
  if (best->kind == Route::Kind::refused) {
    return {Answer::Kind::refused};
  }
  return {Answer::Kind::forwarded, best->interface};
}

// The narrowest that was written down about the address, if it was as a part of this network.
const Way* Evaluator::way_to(const Place& network, const common::Ip& ip) const {
  const Way* best = nullptr;
  for (const Way& way : routing_->ways) {
    if (covers(way.part, ip) && (best == nullptr || way.part.length > best->part.length)) {
      best = &way;
    }
  }
  return best != nullptr && best->network.length == network.prefix.length ? best : nullptr;
}

bool Evaluator::is_way(const Place& network, const common::Ip& ip, std::uint32_t interface) const {
  const Way* way = way_to(network, ip);
  return defects_.route_elsewhere ||
         (way != nullptr && !way->is_own && std::ranges::find(way->interfaces, interface) != way->interfaces.end());
}

bool Evaluator::is_own(const Place& network, const common::Ip& ip, const Answer& answer) const {
  const Way* way = way_to(network, ip);
  const bool goes_nowhere = answer.kind == Answer::Kind::kept || answer.kind == Answer::Kind::forwards_nothing;
  return goes_nowhere && (defects_.unknown_is_own || (way != nullptr && way->is_own));
}

// What can be said without the kernel's routes.
krait_reason Evaluator::check_source(const Case& packet) const {
  const auto& source = packet.ends.source;
  if (!source) {
    return KRAIT_REASON_UNKNOWN_SOURCE;
  }
  if (packet.direction == KRAIT_INGRESS) {
    return source->host == 0 ? KRAIT_REASON_SOURCE_IS_LOCAL : KRAIT_ALLOWED;
  }
  const bool relayed = packet.origin.came_in == packet.origin.interface;
  if (source->host != 0) {
    return relayed ? KRAIT_ALLOWED : KRAIT_REASON_SOURCE_NOT_LOCAL;
  }
  if (packet.origin.came_in == 0 || defects_.speaks_from_anywhere) {
    return KRAIT_ALLOWED;
  }
  // Own addresses are masqueraded for others, and IPv4 itself refuses them from outside.
  const bool own = !source->routed;
  return (own && is_v6(packet.tuple().source)) || (!own && relayed) ? KRAIT_REASON_REVERSE_PATH : KRAIT_ALLOWED;
}

krait_reason Evaluator::check_destination(const Case& packet) const {
  if (!packet.ends.destination) {
    return KRAIT_REASON_UNKNOWN_DESTINATION;
  }
  const bool returns = packet.direction == KRAIT_EGRESS && packet.ends.destination->host == 0;
  return returns && !defects_.local_destination_goes ? KRAIT_REASON_DESTINATION_IS_LOCAL : KRAIT_ALLOWED;
}

// The kernel has to send the packet to whom it is judged as, and to have got it from there. What it keeps is its own.
krait_reason Evaluator::check_route(Case& packet) const {
  if (!routing_) {
    return KRAIT_ALLOWED;
  }
  return packet.direction == KRAIT_INGRESS ? check_route_in(packet) : check_route_out(packet);
}

bool Evaluator::becomes_this_host(std::optional<Place>& place) const {
  if (const auto own = own_place(); own && !defects_.kept_is_network) {
    place = own;
  }
  return own_place().has_value();
}

krait_reason Evaluator::check_route_in(Case& packet) const {
  std::optional<Place>& to = packet.ends.destination;
  if (to->host == 0 && !to->routed) {
    return KRAIT_ALLOWED;
  }
  const Answer answer = ask_route(packet.tuple().source, packet.tuple().destination);
  const bool forwarded = answer.kind == Answer::Kind::forwarded;
  const bool returns = forwarded && answer.interface == packet.origin.interface;
  if (to->host != 0) {
    return returns ? KRAIT_ALLOWED : KRAIT_REASON_NOT_RELAYED;
  }
  if (is_own(*to, packet.tuple().destination, answer)) {
    return becomes_this_host(to) ? KRAIT_ALLOWED : KRAIT_REASON_NOT_RELAYED;
  }
  const bool leads_there = forwarded && !returns && is_way(*to, packet.tuple().destination, answer.interface);
  return leads_there ? KRAIT_ALLOWED : KRAIT_REASON_NOT_RELAYED;
}

krait_reason Evaluator::check_route_out(Case& packet) const {
  std::optional<Place>& from = packet.ends.source;
  if (!from->behind() || defects_.speaks_from_anywhere) {
    return KRAIT_ALLOWED;
  }
  const Answer back = ask_route(packet.tuple().destination, packet.tuple().source);
  const common::Ip& source = packet.tuple().source;
  if (packet.origin.came_in == 0) {
    return is_own(*from, source, back) && becomes_this_host(from) ? KRAIT_ALLOWED : KRAIT_REASON_SOURCE_NOT_LOCAL;
  }
  const bool leads_there = back.kind == Answer::Kind::forwarded && is_way(*from, source, back.interface) &&
                           is_way(*from, source, packet.origin.came_in);
  return leads_there ? KRAIT_ALLOWED : KRAIT_REASON_REVERSE_PATH;
}

// What the first fragment said stands in for what a later one does not carry.
krait_reason Evaluator::recall_fragment(Headers& headers) const {
  const Tuple& tuple = headers.tuple;
  const auto found = fragments_.find(
      {tuple.source, tuple.destination, headers.fragment_id, is_v6(tuple.source) ? std::uint8_t{0} : tuple.protocol});
  if (found == fragments_.end() || now_s_ - found->second.seen_s > KRAIT_FRAGMENT_S) {
    return KRAIT_REASON_FRAGMENT_UNKNOWN;
  }
  headers.tuple = found->second.tuple;
  headers.tcp_flags = kAck;
  if (headers.tuple.protocol == kTcp && headers.fragment_offset_bytes == 8) {
    return KRAIT_REASON_FRAGMENT_OVERLAP;  // IPv6: the later fragment itself need not say that it is TCP
  }
  if (defects_.fragment_ports) {
    headers.tuple.source_port = 0;
    headers.tuple.destination_port = 0;
  }
  return KRAIT_ALLOWED;
}

krait_reason Evaluator::check_kind(Headers& headers) const {
  const common::Ip& to = headers.tuple.destination;
  const bool fragment = headers.later_fragment;
  if (is_v6(to) && headers.tuple.is_icmp() && headers.tuple.icmp_type >= 133 && headers.tuple.icmp_type <= 137) {
    return KRAIT_REASON_NEIGHBOUR_DISCOVERY;
  }
  if (is_v6(to) ? to.bytes[0] == 0xff : to.bytes[0] >> 4U == 0xe) {
    return KRAIT_REASON_MULTICAST;
  }
  if (!is_v6(to) && std::all_of(to.bytes.begin(), to.bytes.begin() + 4, [](auto b) { return b == 0xff; })) {
    return KRAIT_REASON_BROADCAST;
  }
  return fragment ? recall_fragment(headers) : KRAIT_ALLOWED;
}

// The packet travels the way of the flow's first one.
bool Evaluator::opened_by(const Flow& flow, const Tuple& tuple) {
  if (tuple.is_icmp()) {
    return is_request(tuple);
  }
  return flow.initial.source == tuple.source && flow.initial.source_port == tuple.source_port &&
         flow.initial.destination == tuple.destination;
}

bool Evaluator::live(const Flow& flow) const {
  std::uint64_t silence_s = KRAIT_OTHER_S;
  if (flow.initial.protocol == kTcp) {
    silence_s = KRAIT_TCP_ESTABLISHED_S;
    if (flow.reset) {
      silence_s = KRAIT_TCP_RESET_S;
    } else if (flow.closing()) {
      silence_s = KRAIT_TCP_CLOSING_S;
    } else if (flow.opening) {
      silence_s = KRAIT_TCP_OPENING_S;
    }
  } else if (flow.initial.protocol == kUdp) {
    silence_s = KRAIT_UDP_S;
  } else if (flow.initial.protocol == kIcmp || flow.initial.protocol == kIcmpv6) {  // in either family
    silence_s = KRAIT_ICMP_S;
  }
  return defects_.no_time_out || now_s_ - flow.seen_s <= silence_s;
}

Evaluator::Bucket& Evaluator::bucket_of(const krait_flow_key& key) {
  return flows_[KRAIT_FLOW_BUCKET(krait_flow_hash(&key, &table_.seeds), table_.buckets - 1)];
}

Evaluator::Flow* Evaluator::live_flow(const Tuple& tuple) {
  if (!may_open(tuple) && !may_answer(tuple)) {
    return nullptr;
  }
  const krait_flow_key key = flow_key(tuple);
  for (std::optional<Flow>& flow : bucket_of(key)) {
    if (flow && same_key(flow->key, key)) {
      return live(*flow) ? &*flow : nullptr;
    }
  }
  return nullptr;
}

// Its own place, a free one, one of a dead flow; else a live one has to go.
std::size_t Evaluator::choose_way(const Bucket& bucket, const Flow& flow) const {
  for (std::size_t way = 0; way < bucket.size(); ++way) {
    if (bucket[way] && same_key(bucket[way]->key, flow.key)) {
      return way;
    }
  }
  for (std::size_t way = 0; way < bucket.size(); ++way) {
    if (!bucket[way] || !live(*bucket[way])) {
      return way;
    }
  }
  const auto own =
      std::count_if(bucket.begin(), bucket.end(), [&](const auto& other) { return other->pair == flow.pair; });
  const bool displaces_itself = own >= KRAIT_PAIR_WAYS && !defects_.oldest_of_all;
  std::optional<std::size_t> oldest;
  for (std::size_t way = 0; way < bucket.size(); ++way) {
    const bool counts = !displaces_itself || bucket[way]->pair == flow.pair;
    if (counts && (!oldest || bucket[way]->seen_s <= bucket[*oldest]->seen_s)) {
      oldest = way;
    }
  }
  return *oldest;
}

void Evaluator::open_flow(const Case& packet) {
  Flow flow;
  flow.key = flow_key(packet.tuple());
  flow.seen_s = now_s_;
  flow.initial = packet.tuple();
  flow.pair = {tag_of(packet.ends.source), tag_of(packet.ends.destination)};
  flow.opening = packet.tuple().protocol == kTcp && asks_to_open(packet.headers);
  Bucket& bucket = bucket_of(flow.key);
  bucket[choose_way(bucket, flow)] = flow;
}

void Evaluator::refresh_flow(Flow& flow, const Headers& headers) const {
  const Flow before = flow;
  const bool by_initiator = opened_by(flow, headers.tuple);
  if (headers.tuple.protocol == kTcp) {
    const bool resets = (headers.tcp_flags & kRst) != 0;
    const bool finishes = !resets && (headers.tcp_flags & kFin) != 0;
    if (finishes) {
      (by_initiator ? flow.initiator_finished : flow.responder_finished) = true;
    }
    if (!asks_to_open(headers) || finishes || resets) {
      flow.opening = flow.opening && resets && defects_.rst_keeps_opening;
    }
    // A connection that its initiator still uses was not reset.
    flow.reset = resets || (flow.reset && !by_initiator);
  }
  const bool changed = before.opening != flow.opening || before.reset != flow.reset ||
                       before.initiator_finished != flow.initiator_finished ||
                       before.responder_finished != flow.responder_finished;
  const bool unfinished = flow.opening || flow.reset || flow.closing();
  const bool is_reset = headers.tuple.protocol == kTcp && (headers.tcp_flags & kRst) != 0;
  const bool keeps_alive = !is_reset && (by_initiator || !unfinished || defects_.responder_keeps_alive);
  if (changed || (keeps_alive && now_s_ - flow.seen_s > kRefreshS)) {
    flow.seen_s = now_s_;
  }
}

// Who sent an ICMP error has a say about what goes to `about`: its own host, a router of the network that it lies in,
// or one that relays to it. This host may speak of all that it sends on.
bool Evaluator::may_speak(const Case& packet, const std::optional<Place>& about) const {
  const Place& speaker = *packet.ends.source;
  if (defects_.anybody_speaks || (speaker.host == 0 && !speaker.routed)) {
    return true;
  }
  if (!about || speaker.host != about->host) {
    return false;
  }
  return !speaker.routed || covers(speaker.prefix, packet.headers.spoken_of->destination);
}

// What an ICMP error speaks of decides; nothing is said when only the packet's own direction can.
std::optional<krait_reason> Evaluator::judge_icmp_error(const Case& packet, Verdict& verdict) {
  const auto& quoted = packet.headers.spoken_of;
  if (!quoted || quoted->source != packet.tuple().destination) {
    return KRAIT_REASON_ICMP_ERROR_UNRELATED;
  }
  const bool about_itself = quoted->destination == packet.tuple().source;
  const auto about = about_itself ? packet.ends.source : find(quoted->destination);
  if (!may_speak(packet, about)) {
    return KRAIT_REASON_ICMP_ERROR_UNRELATED;
  }
  if (!about) {
    return std::nullopt;
  }
  const Flow* flow = live_flow(*quoted);
  if (flow == nullptr) {
    return std::nullopt;
  }
  const Place& hearer = *packet.ends.destination;
  const bool hearer_opened = opened_by(*flow, *quoted);
  const Opinion flows =
      hearer_opened ? opinion_on(*quoted, hearer, *about) : opinion_on(turned_round(*quoted), *about, hearer);
  verdict.rule = flows.rule;
  return flows.allowed || defects_.verdict_remembered ? KRAIT_ALLOWED : KRAIT_REASON_FLOW_REVOKED;
}

// The policy allows the packet's own direction: what becomes of the flow?
void Evaluator::note_allowed(const Case& packet, Flow* flow) {
  const auto answers = [&] {
    return opinion_on(turned_round(packet.tuple()), *packet.ends.destination, *packet.ends.source).allowed;
  };
  const bool keeps_initiator =
      flow != nullptr && !asks_to_open(packet.headers) && (opened_by(*flow, packet.tuple()) || answers());
  if (keeps_initiator) {
    refresh_flow(*flow, packet.headers);
  } else if (may_open(packet.tuple()) && (packet.headers.tcp_flags & kRst) == 0) {
    open_flow(packet);
  }
}

krait_reason Evaluator::judge(const Case& packet, Verdict& verdict) {
  const Headers& headers = packet.headers;
  if (packet.is_error()) {
    if (const auto reason = judge_icmp_error(packet, verdict)) {
      return *reason;
    }
  }
  const Opinion own = opinion_on(headers.tuple, *packet.ends.source, *packet.ends.destination);
  verdict.rule = own.rule;
  Flow* flow = live_flow(headers.tuple);
  if (own.allowed) {
    note_allowed(packet, flow);
    return KRAIT_ALLOWED;
  }
  krait_reason refusal = own.expired ? KRAIT_REASON_RULE_EXPIRED
                         : own.rule  ? KRAIT_REASON_DENIED_BY_RULE
                                     : KRAIT_REASON_NO_RULE;
  if (!own.rule && packet.is_error()) {
    refusal = KRAIT_REASON_ICMP_ERROR_UNRELATED;
  }
  if (flow == nullptr || !may_answer(headers.tuple) || opened_by(*flow, headers.tuple)) {
    return refusal;
  }
  // A SYN asks and does not answer, unless both ends open at once (RFC 9293 3.5).
  if (asks_to_open(headers) && (!flow->opening || (flow->reset && !defects_.rst_keeps_opening))) {
    return refusal;
  }
  const Opinion initiators = opinion_on(turned_round(headers.tuple), *packet.ends.destination, *packet.ends.source);
  verdict.rule = initiators.rule;
  if (!initiators.allowed && !defects_.verdict_remembered) {
    return KRAIT_REASON_FLOW_REVOKED;
  }
  defects_.reply_makes_flow ? open_flow(packet) : refresh_flow(*flow, headers);
  return KRAIT_ALLOWED;
}

Verdict Evaluator::run(std::span<const std::byte> frame, krait_direction direction, const Origin& origin) {
  Verdict verdict;
  Case packet{read_frame(frame), {}, direction, origin};
  Headers& headers = packet.headers;
  verdict.reason = policy_ || frame.size() <= 14 ? headers.problem : KRAIT_REASON_NO_POLICY;
  if (verdict.reason != KRAIT_ALLOWED) {
    return verdict;
  }
  // Both ends are named whatever decides. The first refusal is the reason.
  packet.ends = {find(headers.tuple.source), find(headers.tuple.destination)};
  for (const krait_reason reason : {check_kind(headers), check_source(packet), check_destination(packet)}) {
    verdict.reason = verdict.reason == KRAIT_ALLOWED ? reason : verdict.reason;
  }
  if (verdict.reason == KRAIT_ALLOWED) {
    verdict.reason = check_route(packet);
  }
  verdict.source_tag = tag_of(packet.ends.source);
  verdict.destination_tag = tag_of(packet.ends.destination);
  if (verdict.reason == KRAIT_ALLOWED) {
    verdict.reason = judge(packet, verdict);
  }
  verdict.allowed = verdict.reason == KRAIT_ALLOWED;
  if (verdict.allowed && headers.first_fragment) {
    const Tuple& tuple = headers.tuple;
    fragments_[{tuple.source, tuple.destination, headers.fragment_id,
                is_v6(tuple.source) ? std::uint8_t{0} : tuple.protocol}] = {now_s_, tuple};
  }
  return verdict;
}

}  // namespace krait::naive
