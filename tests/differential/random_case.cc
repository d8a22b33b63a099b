#include "tests/differential/random_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "krait/abi/selector.h"

namespace krait::differential {
namespace {

using packets::Packet;

// Two ends that talk, so that packets meet flows.
struct Conversation {
  common::Ip opener;
  common::Ip answerer;
  std::uint8_t protocol = 0;
  std::uint16_t opener_port = 0;
  std::uint16_t answerer_port = 0;
  std::uint8_t request = 0;  // ICMP
  std::uint16_t identifier = 0;

  [[nodiscard]] bool v4() const { return opener.family == common::Family::v4; }
  [[nodiscard]] bool is_icmp() const { return protocol == (v4() ? packets::kIcmp : packets::kIcmpv6); }
};

class Author {
 public:
  Author(std::uint64_t seed, const naive::FlowTable& table, const std::vector<packets::Bytes>& recording)
      : random_(seed), table_(table), pool_(random_), recording_(recording) {}

  Case write() {
    Case story;
    story.revisions.push_back(random_revision(random_, pool_));
    while (story.revisions.size() < 4) {
      story.revisions.push_back(changed(random_, pool_, story.revisions.back()));
    }
    now_ = &story.revisions.front();
    const bool replays = !recording_.empty() && random_.percent(15);
    if (replays) {
      know_recorded_hosts(story);
    }
    routing_ = random_routing(random_, pool_, story.revisions);
    story.routing = routing_;
    for (std::uint32_t i = random_.between(1, 4); i > 0; --i) {
      conversations_.push_back(random_conversation());
    }
    if (replays) {
      replay(story);
      return story;
    }
    if (random_.percent(30)) {
      crowd(story);
    }
    for (std::uint32_t left = random_.between(10, 150); left > 0; --left) {
      story.steps.push_back(random_step(story));
    }
    return story;
  }

 private:
  // Policies that know the recording's hosts.
  void know_recorded_hosts(Case& story) {
    const std::uint32_t far = random_.below(story.revisions.front().policy.identities.size());
    for (Revision& revision : story.revisions) {
      const std::uint32_t near = revision.bindings.front().identity;
      for (const char* prefix : {"10.91.1.1/32", "fd91:1::1/128"}) {
        revision.bindings.push_back({*common::Prefix::parse(prefix), near, 0, false});
      }
      for (const char* prefix : {"10.91.2.0/24", "fd91:2::/64"}) {
        revision.bindings.push_back({*common::Prefix::parse(prefix), far, 1, true});
      }
    }
  }

  // So many flows in one bucket that some have to go, or one that has much happen to it, and a policy that allows them.
  void crowd(Case& story) {
    crowded_ = true;
    duel_ = random_.percent(60);
    const bool one_sided = duel_ && random_.percent(60);  // so that what the answerer does alone goes on for a while
    forward_percent_ = one_sided ? 15 : 60;
    pauses_percent_ = one_sided ? 40 : 12;
    const std::uint32_t bucket = 1 + random_.below(table_.buckets);
    std::vector<Conversation> pairs;
    for (std::uint32_t i = duel_ ? 1 : random_.between(2, 4); i > 0; --i) {
      pairs.push_back(between_hosts());
      pairs.back().protocol = duel_ || random_.percent(50) ? packets::kTcp : packets::kUdp;
    }
    conversations_.clear();
    for (std::uint32_t i = duel_ ? 1 : 14; i > 0; --i) {
      conversations_.push_back(moved_to(bucket, random_.pick(pairs)));
    }
    // In a duel one end only may open, so that the other's packets are replies.
    const compile::Binding* opener = owner_of(pairs.front().opener);
    const model::Subjects openers =
        duel_ && opener != nullptr ? model::Subjects{false, {opener->identity}} : model::Subjects{true, {}};
    for (Revision& revision : story.revisions) {
      revision.policy.rules.insert(revision.policy.rules.begin(), {.name = "all",
                                                                   .action = model::Action::allow,
                                                                   .from = openers,
                                                                   .to = {true, {}},
                                                                   .selectors = {{0, KRAIT_SELECTORS - 1}},
                                                                   .expires = {},
                                                                   .at = {}});
    }
  }

  // This host and a peer, or what is behind them.
  Conversation between_hosts() {
    Conversation talk = random_conversation();
    const auto is_so = [&] {
      const compile::Binding* a = owner_of(talk.opener);
      const compile::Binding* b = owner_of(talk.answerer);
      return a != nullptr && b != nullptr && a->local() != b->local();
    };
    for (int tries = 0; tries < 100 && !is_so(); ++tries) {
      talk = random_conversation();
    }
    return talk;
  }

  // The same ends with other ports.
  Conversation moved_to(std::uint32_t bucket, Conversation talk) {
    naive::Tuple tuple;
    tuple.source = talk.opener;
    tuple.destination = talk.answerer;
    tuple.protocol = talk.protocol;
    do {
      const std::uint64_t bits = random_.bits();
      tuple.source_port = talk.opener_port = static_cast<std::uint16_t>(bits);
      tuple.destination_port = talk.answerer_port = static_cast<std::uint16_t>(bits >> 16U);
    } while (bucket_of(tuple) != bucket);
    return talk;
  }

  std::uint32_t bucket_of(const naive::Tuple& tuple) const {
    const krait_flow_key key = naive::flow_key(tuple);
    return KRAIT_FLOW_BUCKET(krait_flow_hash(&key, &table_.seeds), table_.buckets - 1);
  }

  void replay(Case& story) {
    const std::size_t count = random_.between(10, 150);
    for (std::size_t at = random_.below(recording_.size()); story.steps.size() < count && at < recording_.size();) {
      if (random_.percent(5)) {
        story.steps.push_back(random_step(story));
      } else {
        story.steps.push_back(recorded_step(recording_[at++]));
      }
    }
  }

  Step recorded_step(packets::Bytes frame) {
    Step step;
    step.frame = std::move(frame);
    if (random_.percent(4)) {
      mutate(step.frame);
    }
    // By the source address: the near network is 10.91.1.0/24 and fd91:1::/64.
    const bool v4 = step.frame[12] == std::byte{0x08};
    const auto third = step.frame[packets::kEthernetBytes + (v4 ? 14 : 11)];
    step.direction = (third == std::byte{1}) != random_.percent(4) ? KRAIT_EGRESS : KRAIT_INGRESS;
    return step;
  }

  Step publish_step(const Case& story, std::size_t revision) {
    Step step;
    step.kind = Step::Kind::publish;
    step.revision = revision;
    now_ = &story.revisions[revision];
    return step;
  }

  Step random_step(const Case& story) {
    if (random_.percent(4)) {
      return publish_step(story, random_.below(story.revisions.size()));
    }
    if (random_.percent(pauses_percent_)) {
      static const std::vector<std::uint64_t> kSeconds = {1,   1,   2,   5,   9,      10,     11,    28,  29,
                                                          30,  31,  60,  61,  119,    120,    121,   179, 180,
                                                          181, 599, 600, 601, 431999, 432000, 432001};
      Step step;
      step.kind = Step::Kind::pause;
      static const std::vector<std::uint64_t> kShortSeconds = {2, 5, 5, 9, 9, 60};  // flows live on, if they are kept
      step.seconds = random_.percent(crowded_ ? 85 : 0) ? random_.pick(kShortSeconds)
                     : random_.percent(40)              ? seconds_to_an_expiry().value_or(1)
                                                        : random_.pick(kSeconds);
      elapsed_s_ += step.seconds;
      return step;
    }
    return packet_step();
  }

  // Until the moment at which some rule expires, or a second before.
  std::optional<std::uint64_t> seconds_to_an_expiry() {
    const std::int64_t now = naive::Evaluator::kFirstUnixS + static_cast<std::int64_t>(elapsed_s_);
    std::vector<std::int64_t> ahead;
    for (const model::Rule& rule : now_->policy.rules) {
      if (rule.expires && rule.expires->kind == model::Expiry::Kind::at && rule.expires->seconds > now + 1) {
        ahead.push_back(rule.expires->seconds - now);
      }
    }
    if (ahead.empty()) {
      return std::nullopt;
    }
    return static_cast<std::uint64_t>(random_.pick(ahead)) - (random_.percent(50) ? 1 : 0);
  }

  Step packet_step() {
    if (!crowded_ && conversations_.size() < 12 && random_.percent(8)) {
      conversations_.push_back(random_conversation());
    }
    const Conversation& talk = random_.pick(conversations_);
    const bool forward = random_.percent(forward_percent_);
    Packet packet = random_.percent(12) ? icmp_error(talk, forward) : plain(talk, forward);
    Step step;
    step.frame = packet.frame();
    if (random_.percent(8)) {
      mutate(step.frame);
    }
    const compile::Binding* owner = owner_of(last_source_);
    const bool local = owner != nullptr && owner->local();
    step.direction = local != random_.percent(8) ? KRAIT_EGRESS : KRAIT_INGRESS;
    if (step.direction == KRAIT_EGRESS) {
      step.came_in = random_.percent(15) ? random_.pick(std::vector<std::uint32_t>{0, kGuarded, kLan, kWan})
                                         : likely_way_in(last_source_, owner);
    }
    return step;
  }

  // Where a packet with this source comes from, if all is right.
  std::uint32_t likely_way_in(const common::Ip& source, const compile::Binding* owner) const {
    if (owner == nullptr || !owner->local()) {
      return kGuarded;
    }
    const naive::Route* best = nullptr;
    for (const naive::Route& route : routing_.routes) {
      if (owner->routed && route.to.contains(source) && (best == nullptr || route.to.length > best->to.length)) {
        best = &route;
      }
    }
    return best != nullptr && best->kind == naive::Route::Kind::interface ? best->interface : 0;
  }

  const compile::Binding* owner_of(const common::Ip& ip) const {
    const compile::Binding* best = nullptr;
    for (const compile::Binding& binding : now_->bindings) {
      if (binding.prefix.contains(ip) && (best == nullptr || binding.prefix.length > best->prefix.length)) {
        best = &binding;
      }
    }
    return best;
  }

  // An address that somebody owns, as a rule.
  common::Ip known_address(common::Family family) {
    for (int tries = 0; tries < 8; ++tries) {
      const common::Ip ip = pool_.near(random_, family);
      if (std::any_of(now_->bindings.begin(), now_->bindings.end(),
                      [&](const compile::Binding& binding) { return binding.prefix.contains(ip); })) {
        return ip;
      }
    }
    return pool_.near(random_, family);
  }

  common::Ip odd_address(common::Family family) {
    static const std::vector<std::string_view> kV4 = {"255.255.255.255", "224.0.0.1", "239.255.255.255",
                                                      "240.0.0.1",       "0.0.0.0",   "127.0.0.1"};
    static const std::vector<std::string_view> kV6 = {"ff02::1", "::", "::1", "fe80::1", "::ffff:10.0.0.1"};
    return common::Ip::parse(random_.pick(family == common::Family::v4 ? kV4 : kV6)).value_or(common::Ip{});
  }

  Conversation random_conversation() {
    Conversation talk;
    const common::Family family = random_.percent(60) ? common::Family::v4 : common::Family::v6;
    talk.opener = known_address(family);
    talk.answerer = known_address(family);
    if (random_.percent(4)) {
      (random_.percent(30) ? talk.opener : talk.answerer) = odd_address(family);
    }
    talk.opener_port = interesting_port(random_);
    talk.answerer_port = interesting_port(random_);
    talk.identifier = static_cast<std::uint16_t>(random_.below(3));
    static const std::vector<std::uint8_t> kV4Types = {8, 8, 8, 13, 15, 17, 5, 3, 200};
    static const std::vector<std::uint8_t> kV6Types = {128, 128, 128, 139, 135, 133, 2, 200};
    talk.request = random_.pick(talk.v4() ? kV4Types : kV6Types);
    static const std::vector<std::uint8_t> kOthers = {packets::kGre,  packets::kEsp,    0x33, 89, 253, 255, 59,
                                                      packets::kIcmp, packets::kIcmpv6, 0};
    const std::uint32_t kind = random_.below(10);
    talk.protocol = kind < 4   ? packets::kTcp
                    : kind < 6 ? packets::kUdp
                    : kind < 7 ? packets::kSctp
                    : kind < 9 ? (talk.v4() ? packets::kIcmp : packets::kIcmpv6)
                               : random_.pick(kOthers);
    return talk;
  }

  std::uint8_t reply_type(const Conversation& talk) {
    if (!talk.v4()) {
      return static_cast<std::uint8_t>(talk.request + 1);
    }
    return static_cast<std::uint8_t>(talk.request == 8 ? 0 : talk.request + 1);
  }

  Packet addressed(const Conversation& talk, bool forward) {
    last_source_ = forward ? talk.opener : talk.answerer;
    return Packet(last_source_, forward ? talk.answerer : talk.opener);
  }

  void add_transport(Packet& packet, const Conversation& talk, bool forward) {
    const std::uint16_t source = forward ? talk.opener_port : talk.answerer_port;
    const std::uint16_t destination = forward ? talk.answerer_port : talk.opener_port;
    static const std::vector<std::uint8_t> kFlags = {packets::kSyn,
                                                     packets::kSyn,
                                                     packets::kSyn | packets::kAck,
                                                     packets::kAck,
                                                     packets::kAck,
                                                     packets::kAck,
                                                     packets::kFin | packets::kAck,
                                                     packets::kFin | packets::kAck,
                                                     packets::kRst,
                                                     packets::kRst | packets::kAck,
                                                     packets::kSyn | packets::kRst,
                                                     packets::kSyn | packets::kFin,
                                                     0};
    static const std::vector<std::uint8_t> kEnds = {packets::kSyn, packets::kSyn, packets::kSyn | packets::kAck,
                                                    packets::kAck, packets::kRst, packets::kFin | packets::kAck};
    if (talk.protocol == packets::kTcp) {
      packet.tcp(source, destination, random_.pick(duel_ ? kEnds : kFlags));
    } else if (talk.protocol == packets::kUdp) {
      packet.udp(source, destination);
    } else if (talk.protocol == packets::kSctp) {
      packet.sctp(source, destination);
    } else if (talk.is_icmp()) {
      packet.icmp(forward ? talk.request : reply_type(talk), 0, talk.identifier);
    } else {
      packet.protocol(talk.protocol);
    }
    // Mostly so that the whole is a multiple of 8 bytes, as a fragment has to be.
    const std::size_t odd_bytes = talk.protocol == packets::kTcp || talk.protocol == packets::kSctp ? 4 : 0;
    packet.payload(random_.percent(20) ? random_.below(20) : odd_bytes + 8 * random_.below(8));
    if (random_.percent(3)) {
      packet.protocol(talk.protocol).payload(8 * random_.below(3));  // too short for its header
    }
  }

  // Padding and whole options, with a source route among them now and then, and lists that end in the middle of one.
  packets::Bytes random_options() {
    packets::Bytes bytes;
    while (bytes.size() < 36 && random_.percent(70)) {
      static const std::vector<std::uint8_t> kTypes = {1, 1, 1, 7, 68, 148, 131, 137, 0};
      const std::uint8_t type = random_.percent(97) ? random_.pick(kTypes) : static_cast<std::uint8_t>(random_.bits());
      bytes.push_back(std::byte{type});
      if (type > 1) {
        const std::size_t length = random_.percent(95) ? random_.between(2, 8) : random_.below(40);
        bytes.push_back(static_cast<std::byte>(length));
        bytes.resize(std::min<std::size_t>(bytes.size() + (length > 2 ? length - 2 : 0), 40));
      }
    }
    return bytes;
  }

  void decorate(Packet& packet, const Conversation& talk) {
    const auto add_fragment = [&] {
      static const std::vector<std::uint16_t> kOffsets = {0, 0, 8, 16, 1480, 65528};
      packet.fragment(random_.below(2), random_.pick(kOffsets), random_.percent(60));
    };
    const bool fragmented = random_.percent(duel_ ? 0 : 25);
    if (talk.v4()) {
      if (random_.percent(10)) {
        packet.options(random_options());
      }
      if (fragmented) {
        add_fragment();
      }
      return;
    }
    static const std::vector<std::uint8_t> kTypes = {packets::kDestinationOptions, packets::kDestinationOptions,
                                                     packets::kRouting};
    const std::uint32_t before = random_.percent(20) ? random_.below(random_.percent(20) ? 10 : 3) : 0;
    if (random_.percent(5)) {
      packet.extension(packets::kHopByHop);
    }
    for (std::uint32_t i = 0; i < before; ++i) {
      packet.extension(random_.pick(kTypes), random_.between(1, 3), random_.percent(90) ? 4 : 0,
                       random_.percent(80) ? 0 : 1);
    }
    if (fragmented) {
      add_fragment();
      if (random_.percent(15)) {
        packet.extension(packets::kDestinationOptions);
      }
      if (random_.percent(3)) {
        add_fragment();
      }
    }
  }

  Packet plain(const Conversation& talk, bool forward) {
    Packet packet = addressed(talk, forward);
    add_transport(packet, talk, forward);
    decorate(packet, talk);
    lie(packet);
    return packet;
  }

  void lie(Packet& packet) {
    if (!random_.percent(6)) {
      return;
    }
    switch (random_.below(8)) {
      case 0:
        packet.total_length(static_cast<std::uint16_t>(random_.below(80)));
        break;
      case 1:
        packet.header_words(static_cast<std::uint8_t>(random_.below(16)));
        break;
      case 2:
        packet.tcp_header_words(static_cast<std::uint8_t>(random_.below(16)));
        break;
      case 3:
        packet.udp_length(static_cast<std::uint16_t>(random_.below(80)));
        break;
      case 4:
        packet.version(static_cast<std::uint8_t>(random_.below(16)));
        break;
      case 5:
        packet.padding(random_.below(50));
        break;
      case 6:
        packet.ether_type(random_.percent(50) ? 0x0806 : 0x86dd);
        break;
      default:
        packet.cut(random_.between(1, 60));
        break;
    }
  }

  // An error from one end of the conversation, or from a third party, about one of its packets.
  Packet icmp_error(const Conversation& talk, bool about_forward) {
    Packet quoted = addressed(talk, about_forward);
    add_transport(quoted, talk, about_forward);
    if (random_.percent(20)) {
      decorate(quoted, talk);
    }
    if (random_.percent(5)) {
      lie(quoted);
    }
    const common::Ip victim = about_forward ? talk.opener : talk.answerer;
    const common::Ip other = about_forward ? talk.answerer : talk.opener;
    last_source_ = random_.percent(60) ? other : known_address(victim.family);
    static const std::vector<std::uint8_t> kV4Types = {3, 11, 12};
    static const std::vector<std::uint8_t> kV6Types = {1, 2, 3, 4};
    Packet packet(last_source_, random_.percent(90) ? victim : known_address(victim.family));
    packet.icmp_error(random_.pick(talk.v4() ? kV4Types : kV6Types), 0, quoted,
                      random_.percent(70) ? 512 : random_.below(80));
    if (random_.percent(10)) {
      decorate(packet, talk);
    }
    return packet;
  }

  void mutate(packets::Bytes& frame) {
    for (std::uint32_t i = random_.between(1, 3); i > 0 && frame.size() > 13; --i) {
      const std::size_t at = random_.percent(95) ? 14 + random_.below(std::min<std::size_t>(frame.size(), 90)) : 12;
      if (at < frame.size()) {
        frame[at] = random_.percent(50) ? frame[at] ^ (std::byte{1} << random_.below(8))
                                        : static_cast<std::byte>(random_.bits() & 0xffU);
      }
    }
    if (random_.percent(20)) {
      frame.resize(14 + random_.below(frame.size() - 13));
    }
  }

  Random random_;
  const naive::FlowTable& table_;
  AddressPool pool_;
  naive::Routing routing_;
  bool crowded_ = false;  // all conversations are in one bucket
  std::uint32_t pauses_percent_ = 5;
  std::uint32_t forward_percent_ = 60;
  bool duel_ = false;  // the only one is a TCP connection that opens and ends again and again
  const std::vector<packets::Bytes>& recording_;
  const Revision* now_ = nullptr;
  std::uint64_t elapsed_s_ = 0;
  common::Ip last_source_;
  std::vector<Conversation> conversations_;
};

std::string subjects_text(const model::Subjects& subjects) {
  return subjects.any ? "*" : fmt::format("{}", fmt::join(subjects.identities, ","));
}

std::string revision_text(const Revision& revision) {
  std::string text;
  for (std::size_t i = 0; i < revision.policy.identities.size(); ++i) {
    text += fmt::format("    identity {} tag {}\n", i, revision.policy.identities[i].tag);
  }
  for (const compile::Binding& binding : revision.bindings) {
    text += fmt::format("    {} is identity {}, {} {}\n", binding.prefix.text(), binding.identity,
                        binding.routed ? "behind host" : "of host", binding.host);
  }
  for (std::size_t i = 0; i < revision.policy.rules.size(); ++i) {
    const model::Rule& rule = revision.policy.rules[i];
    text += fmt::format("    rule {}: {} {} -> {}:", i, rule.action == model::Action::allow ? "allow" : "deny",
                        subjects_text(rule.from), subjects_text(rule.to));
    for (const model::SelectorRange& range : rule.selectors) {
      text += fmt::format(" {}..{}", range.first, range.last);
    }
    if (rule.expires) {
      text += fmt::format(" {} {} s", rule.expires->kind == model::Expiry::Kind::at ? "until" : "for",
                          rule.expires->seconds);
    }
    text += "\n";
  }
  return text;
}

}  // namespace

std::string Step::text() const {
  switch (kind) {
    case Kind::pause:
      return fmt::format("{} s pass", seconds);
    case Kind::publish:
      return fmt::format("publish revision {}", revision);
    case Kind::packet:
      break;
  }
  return fmt::format("{} {}", direction == KRAIT_INGRESS ? "in" : fmt::format("out (from {})", came_in),
                     packets::hex(std::span(frame).subspan(12)));
}

std::string Case::text() const {
  std::string text = routing_text(routing);
  for (std::size_t i = 0; i < revisions.size(); ++i) {
    const bool used = i == 0 || std::any_of(steps.begin(), steps.end(), [&](const Step& step) {
                        return step.kind == Step::Kind::publish && step.revision == i;
                      });
    if (used) {
      text += fmt::format("  revision {}\n{}", i, revision_text(revisions[i]));
    }
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    text += fmt::format("  step {}: {}\n", i, steps[i].text());
  }
  return text;
}

Case random_case(std::uint64_t seed, const naive::FlowTable& table, const std::vector<packets::Bytes>& recording) {
  return Author(seed, table, recording).write();
}

}  // namespace krait::differential
