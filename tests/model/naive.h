// A second opinion on every packet: the documented behaviour written down as plainly as possible, with linear scans and
// std::map, in order to be obviously right. It shares no code with krait/compile or the BPF program; from krait/abi it
// takes numbers only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "krait/compile/compile.h"
#include "krait/model/policy.h"
#include "tests/model/headers.h"

namespace krait::naive {

struct Verdict {
  bool allowed = false;
  krait_reason reason = KRAIT_ALLOWED;
  std::uint32_t source_tag = 0;       // 0: none
  std::uint32_t destination_tag = 0;  // 0: none
  std::optional<std::uint32_t> rule;  // index of the deciding one

  bool operator==(const Verdict&) const = default;
  [[nodiscard]] std::string text() const;
};

// Mistakes that can be planted, so that the differential test can show that it would find them in the program.
struct Defects {
  bool range_edge = false;          // a range ends one selector early
  bool direction = false;           // from and to are mixed up
  bool class_merge = false;         // the last identity is taken for the first
  bool fragment_ports = false;      // later fragments are judged as if their ports were 0
  bool shortest_prefix = false;     // the shortest covering prefix wins
  bool allow_wins = false;          // an allow beats a deny
  bool reply_makes_flow = false;    // what passes as a reply turns its flow round
  bool no_time_out = false;         // flows live for ever
  bool verdict_remembered = false;  // a reply to a live flow passes whatever the policy says now
  bool no_expiry = false;           // rules stay for ever
  bool duration_restarts = false;   // every publish starts a rule's duration again

  bool speaks_from_anywhere = false;    // who may send from an address is not asked where the packet came from
  bool kept_is_network = false;         // what the kernel keeps counts as the network that it lies in
  bool route_elsewhere = false;         // a route to any interface will do
  bool unknown_is_own = false;          // what no route is known to passes for the host's own address
  bool local_destination_goes = false;  // a packet for this host may leave through the tunnel
  bool rst_keeps_opening = false;       // a refused connection is still being opened
  bool responder_keeps_alive = false;   // the answering end keeps alive what was never answered, or is over
  bool anybody_speaks = false;          // ICMP errors count whoever sent them
  bool oldest_of_all = false;           // a new flow takes the oldest one's place, whoever's that is
};

// Where a packet that leaves came from.
struct Origin {
  std::uint32_t interface = 1;  // index of the guarded one
  std::uint32_t came_in = 0;    // of the one that brought it in; 0: a socket of this host
};

// The kernel's routes, as far as they matter. Of equally long ones there is one.
struct Route {
  enum class Kind : std::uint8_t { interface, kept, refused };  // kept: local, broadcast, anycast
  common::Prefix to;
  Kind kind = Kind::interface;
  std::uint32_t interface = 0;
  bool operator==(const Route&) const = default;
};

// What the agent has written down about a part of a network behind this host: by which interfaces routes of the
// network's own lead there, or that it is an address of the host's own.
struct Way {
  common::Prefix part;
  common::Prefix network;
  bool is_own = false;
  std::vector<std::uint32_t> interfaces;
  bool operator==(const Way&) const = default;
};

struct Routing {
  std::vector<Route> routes;
  std::vector<Way> ways;
  bool forwards_v4 = true;
  bool forwards_v6 = true;
  bool operator==(const Routing&) const = default;
};

// What decides where a flow is kept.
struct FlowTable {
  krait_flow_seeds seeds{};
  std::uint32_t buckets = 1;  // a power of two
};

// By what a packet's flow is found.
krait_flow_key flow_key(const Tuple& tuple);

// What a policy says about one direction.
struct Opinion {
  bool allowed = false;
  std::optional<std::uint32_t> rule;
  bool expired = false;  // denied, but by the expiry of that rule

  bool operator==(const Opinion&) const = default;
};

// `from` and `to` are indexes into policy.identities; `expired` says it of each rule, and empty of none.
Opinion opinion(const model::Policy& policy, std::uint32_t from, std::uint32_t to, std::uint32_t selector,
                const Defects& defects = {}, const std::vector<bool>& expired = {});

class Evaluator {
 public:
  explicit Evaluator(const FlowTable& table, const Defects& defects = {}) : defects_(defects), table_(table) {}

  // Flows and remembered fragments stay.
  void publish(model::Policy policy, std::vector<compile::Binding> bindings);
  // Without one, packets go where their addresses say, and come from there.
  void route(std::optional<Routing> routing) { routing_ = std::move(routing); }
  // What calendars say when the evaluator is made.
  static constexpr std::int64_t kFirstUnixS = 1'800'000'000;
  [[nodiscard]] std::int64_t unix_s() const { return kFirstUnixS + static_cast<std::int64_t>(now_s_ - began_s_); }
  void advance(std::uint64_t seconds) { now_s_ += seconds; }
  // As if made anew, `seconds` later, but for the flow table.
  void start_over(std::uint64_t seconds);
  Verdict run(std::span<const std::byte> frame, krait_direction direction, const Origin& origin);

 private:
  // Whose an address is.
  struct Place {
    common::Prefix prefix;  // the longest that covers it
    std::uint32_t identity = 0;
    std::uint32_t host = 0;  // 0: this one
    bool routed = false;     // it lies in a network behind that host
    [[nodiscard]] bool behind() const { return host == 0 && routed; }
  };
  struct Ends {
    std::optional<Place> source;
    std::optional<Place> destination;
  };
  // The kernel's answer for a packet that arrives on the guarded interface.
  struct Answer {
    enum class Kind : std::uint8_t { forwarded, kept, forwards_nothing, refused };
    Kind kind = Kind::kept;
    std::uint32_t interface = 0;
  };
  // A packet that is being judged.
  struct Case {
    Headers headers;
    Ends ends;
    krait_direction direction = KRAIT_INGRESS;
    Origin origin;
    [[nodiscard]] const Tuple& tuple() const { return headers.tuple; }
    [[nodiscard]] bool is_error() const;  // an ICMP error that quotes something
  };
  struct Flow {
    krait_flow_key key{};
    std::uint64_t seen_s = 0;
    Tuple initial;                                 // a packet in the initiator's direction
    std::pair<std::uint32_t, std::uint32_t> pair;  // tags: the initiator's and the other end's
    bool opening = false;                          // TCP: only SYNs were seen
    bool initiator_finished = false;
    bool responder_finished = false;
    bool reset = false;
    [[nodiscard]] bool closing() const { return initiator_finished && responder_finished; }
  };
  using Bucket = std::array<std::optional<Flow>, KRAIT_FLOW_WAYS>;
  struct FragmentKey {
    common::Ip source;
    common::Ip destination;
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;  // 0 in IPv6
    auto operator<=>(const FragmentKey&) const = default;
  };
  struct Fragment {
    std::uint64_t seen_s = 0;
    Tuple tuple;
  };

  [[nodiscard]] std::optional<Place> find(const common::Ip& ip) const;
  [[nodiscard]] std::uint32_t tag_of(const std::optional<Place>& place) const;
  [[nodiscard]] Opinion opinion_on(const Tuple& tuple, const Place& from, const Place& to) const;
  [[nodiscard]] Answer ask_route(const common::Ip& source, const common::Ip& destination) const;
  [[nodiscard]] const Way* way_to(const Place& network, const common::Ip& ip) const;
  [[nodiscard]] bool is_way(const Place& network, const common::Ip& ip, std::uint32_t interface) const;
  [[nodiscard]] bool is_own(const Place& network, const common::Ip& ip, const Answer& answer) const;
  [[nodiscard]] std::optional<Place> own_place() const;
  [[nodiscard]] bool becomes_this_host(std::optional<Place>& place) const;

  [[nodiscard]] krait_reason check_kind(Headers& headers) const;
  [[nodiscard]] krait_reason check_source(const Case& packet) const;
  [[nodiscard]] krait_reason check_destination(const Case& packet) const;
  krait_reason check_route(Case& packet) const;
  krait_reason check_route_in(Case& packet) const;
  krait_reason check_route_out(Case& packet) const;
  [[nodiscard]] krait_reason recall_fragment(Headers& headers) const;

  krait_reason judge(const Case& packet, Verdict& verdict);
  [[nodiscard]] bool may_speak(const Case& packet, const std::optional<Place>& about) const;
  std::optional<krait_reason> judge_icmp_error(const Case& packet, Verdict& verdict);

  [[nodiscard]] static bool opened_by(const Flow& flow, const Tuple& tuple);
  [[nodiscard]] bool live(const Flow& flow) const;
  Bucket& bucket_of(const krait_flow_key& key);
  Flow* live_flow(const Tuple& tuple);
  void note_allowed(const Case& packet, Flow* flow);
  void open_flow(const Case& packet);
  [[nodiscard]] std::size_t choose_way(const Bucket& bucket, const Flow& flow) const;
  void refresh_flow(Flow& flow, const Headers& headers) const;

  // A rule as it was when its duration began.
  struct Loaded {
    model::Rule rule;
    std::uint64_t at_s = 0;
  };
  [[nodiscard]] std::vector<bool> expired_now() const;

  Defects defects_;
  FlowTable table_;
  std::optional<model::Policy> policy_;
  std::map<std::string, Loaded> loaded_;  // by the rule's name
  std::vector<compile::Binding> bindings_;
  std::optional<Routing> routing_;
  std::uint64_t now_s_ = 0;
  std::uint64_t began_s_ = 0;
  std::map<std::uint32_t, Bucket> flows_;
  std::map<FragmentKey, Fragment> fragments_;
};

}  // namespace krait::naive
