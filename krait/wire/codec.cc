#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "krait/v1/wire.pb.h"
#include "krait/wire/message.h"

namespace krait::wire {

using common::Error;
using common::ErrorCode;
using common::Result;

namespace {

Error wrong(std::string_view what) {
  return {ErrorCode::invalid_input, fmt::format("a message that breaks the protocol: {}", what)};
}

template <typename Array>
std::string bytes_of(const Array& array) {
  return {reinterpret_cast<const char*>(array.data()), array.size()};
}

template <typename Array>
bool fill(Array& array, const std::string& bytes) {
  if (bytes.size() != array.size()) {
    return false;
  }
  std::ranges::transform(bytes, array.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
  return true;
}

// --- To the wire -----------------------------------------------------------------------------------------------------

void put(v1::Frame& /*frame*/, const std::monostate& /*nothing*/) {}

void put(v1::Frame& frame, const Hello& hello) {
  v1::Hello& to = *frame.mutable_hello();
  to.set_least_version(hello.least_version);
  to.set_most_version(hello.most_version);
  to.set_program(hello.program);
}

void put(v1::Frame& frame, const Welcome& welcome) {
  v1::Welcome& to = *frame.mutable_welcome();
  to.set_version(welcome.version);
  to.set_program(welcome.program);
  to.set_network(bytes_of(welcome.network));
  to.set_revision(welcome.revision);
  to.set_known(welcome.known);
}

void put(v1::Frame& frame, const Join& join) {
  v1::Join& to = *frame.mutable_join();
  to.set_token(bytes_of(join.token));
  to.set_name(join.name);
  to.set_wireguard_key(bytes_of(join.wireguard_key));
  to.set_listen_port(join.listen_port);
  for (const std::string& endpoint : join.endpoints) {
    to.add_endpoints(endpoint);
  }
  to.set_behind_nat(join.behind_nat);
  for (const std::string& address : join.addresses) {
    to.add_addresses(address);
  }
}

void put(v1::Frame& frame, const Offer& offer) {
  v1::Offer& to = *frame.mutable_offer();
  to.set_grant(offer.grant);
  for (const std::string& address : offer.addresses) {
    to.add_addresses(address);
  }
  for (const std::string& list : offer.admin_lists) {
    to.add_admin_lists(list);
  }
  to.set_name(offer.name);
}

void put(v1::Frame& frame, const Seal& seal) { frame.mutable_seal()->set_joined(seal.joined); }

void put(v1::Frame& frame, const Joined& joined) {
  v1::Joined& to = *frame.mutable_joined();
  to.set_host(joined.host);
  to.set_name(joined.name);
  for (const std::string& address : joined.addresses) {
    to.add_addresses(address);
  }
  to.set_waits_for_approval(joined.waits_for_approval);
}

void put(v1::Frame& frame, const Watch& watch) {
  frame.mutable_watch()->set_holds(watch.holds);
  frame.mutable_watch()->set_digest(watch.digest);
}

void put(v1::Frame& frame, const State& state) {
  v1::State& to = *frame.mutable_state();
  to.set_base(state.base);
  to.set_revision(state.revision);
  to.set_bytes(state.bytes);
  to.set_more(state.more);
}

void put(v1::Frame& frame, const Confirmed& confirmed) { frame.mutable_confirmed()->set_now(confirmed.now); }

void put(v1::Frame& frame, const Enforced& enforced) {
  v1::Enforced& to = *frame.mutable_enforced();
  to.set_revision(enforced.revision);
  to.set_failure(enforced.failure);
}

void put(v1::Frame& frame, const Here& here) {
  v1::Here& to = *frame.mutable_here();
  for (const std::string& endpoint : here.endpoints) {
    to.add_endpoints(endpoint);
  }
  to.set_listen_port(here.listen_port);
  for (const Seen& seen : here.seen) {
    v1::Seen& entry = *to.add_seen();
    entry.set_host(seen.host);
    entry.set_endpoint(seen.endpoint);
    entry.set_name(seen.name);
  }
}

void put(v1::Frame& frame, const KeyChange& change) { frame.mutable_key_change()->set_change(change.change); }

void put(v1::Frame& frame, const RotateKey& order) { frame.mutable_rotate_key()->set_go(order.go); }

void put(v1::Frame& frame, const Leave& /*leave*/) { frame.mutable_leave(); }

void put(v1::Frame& frame, const Refused& refused) {
  v1::Refused& to = *frame.mutable_refused();
  to.set_code(static_cast<std::uint32_t>(refused.code));
  to.set_text(refused.text);
}

void put(v1::Frame& frame, const Ask& ask) {
  v1::Ask& to = *frame.mutable_ask();
  to.set_number(ask.number);
  to.set_request(ask.request);
}

void put(v1::Frame& frame, const Answer& answer) {
  v1::Answer& to = *frame.mutable_answer();
  to.set_number(answer.number);
  to.set_answer(answer.answer);
}

// --- From the wire ---------------------------------------------------------------------------------------------------

Result<std::uint16_t> port_of(std::uint32_t number) {
  if (number > std::numeric_limits<std::uint16_t>::max()) {
    return wrong("a port above 65535");
  }
  return static_cast<std::uint16_t>(number);
}

template <typename Repeated>
Result<std::vector<std::string>> texts_of(const Repeated& repeated) {
  if (std::cmp_greater(repeated.size(), kMaxEndpoints)) {
    return wrong("too many endpoints or addresses");
  }
  std::vector<std::string> texts;
  for (const auto& text : repeated) {
    if (text.size() > kMaxTextBytes) {
      return wrong("an endpoint that is too long");
    }
    texts.push_back(text);
  }
  return texts;
}

Result<Message> take(v1::Hello& from) {
  if (from.least_version() == 0 || from.most_version() < from.least_version() ||
      from.program().size() > kMaxTextBytes) {
    return wrong("a greeting without versions");
  }
  return Hello{from.least_version(), from.most_version(), std::move(*from.mutable_program())};
}

Result<Message> take(v1::Welcome& from) {
  Welcome welcome{from.version(), std::move(*from.mutable_program()), {}, from.revision(), from.known()};
  if (!fill(welcome.network, from.network()) || welcome.program.size() > kMaxTextBytes) {
    return wrong("a welcome without the network's number");
  }
  return welcome;
}

Result<Message> take(v1::Join& from) {
  Join join{.token = {}, .name = std::move(*from.mutable_name())};
  if (join.name.size() > kMaxTextBytes) {
    return wrong("a name that is too long");
  }
  if (!fill(join.token, from.token()) || !fill(join.wireguard_key, from.wireguard_key())) {
    return wrong("a key that has not 32 bytes");
  }
  KRAIT_TRY(join.listen_port, port_of(from.listen_port()));
  KRAIT_TRY(join.endpoints, texts_of(from.endpoints()));
  join.behind_nat = from.behind_nat();
  KRAIT_TRY(join.addresses, texts_of(from.addresses()));
  return join;
}

Result<Message> take(v1::Offer& from) {
  Offer offer{.grant = std::move(*from.mutable_grant()), .name = std::move(*from.mutable_name())};
  if (offer.grant.size() > kMaxSignedBytes || offer.name.size() > kMaxTextBytes) {
    return wrong("an offer that is too long");
  }
  if (std::cmp_greater(from.admin_lists_size(), kMaxLists)) {
    return wrong("too many lists of administrators");
  }
  KRAIT_TRY(offer.addresses, texts_of(from.addresses()));
  for (std::string& list : *from.mutable_admin_lists()) {
    if (list.size() > kMaxSignedBytes) {
      return wrong("a list of administrators that is too long");
    }
    offer.admin_lists.push_back(std::move(list));
  }
  return offer;
}

Result<Message> take(v1::Seal& from) {
  if (from.joined().size() > kMaxSealBytes) {
    return wrong("a binding that is too long");
  }
  return Seal{std::move(*from.mutable_joined())};
}

Result<Message> take(v1::Joined& from) {
  Joined joined{.host = from.host(), .name = std::move(*from.mutable_name())};
  if (joined.name.size() > kMaxTextBytes) {
    return wrong("a name that is too long");
  }
  KRAIT_TRY(joined.addresses, texts_of(from.addresses()));
  joined.waits_for_approval = from.waits_for_approval();
  return joined;
}

Result<Message> take(v1::Watch& from) {
  if (!from.digest().empty() && from.digest().size() != 32) {
    return wrong("a digest that has not 32 bytes");
  }
  return Watch{from.holds(), std::move(*from.mutable_digest())};
}

Result<Message> take(v1::State& from) {
  if (from.bytes().size() > kMaxStateChunkBytes) {
    return wrong("too much of a state in one message");
  }
  return State{from.base(), from.revision(), std::move(*from.mutable_bytes()), from.more()};
}

Result<Message> take(v1::Confirmed& from) { return Confirmed{from.now()}; }

Result<Message> take(v1::Enforced& from) {
  if (from.failure().size() > kMaxTextBytes) {
    return wrong("a failure that is too long");
  }
  return Enforced{from.revision(), std::move(*from.mutable_failure())};
}

Result<Message> take(v1::Here& from) {
  Here here;
  KRAIT_TRY(here.endpoints, texts_of(from.endpoints()));
  KRAIT_TRY(here.listen_port, port_of(from.listen_port()));
  if (std::cmp_greater(from.seen_size(), kMaxSeen)) {
    return wrong("too many peers that were seen");
  }
  for (v1::Seen& seen : *from.mutable_seen()) {
    if (seen.endpoint().size() > kMaxTextBytes || seen.name().size() > kMaxTextBytes) {
      return wrong("an endpoint or a name that is too long");
    }
    here.seen.push_back({seen.host(), std::move(*seen.mutable_endpoint()), std::move(*seen.mutable_name())});
  }
  return here;
}

Result<Message> take(v1::KeyChange& from) {
  if (from.change().size() > kMaxSealBytes) {
    return wrong("a change of key that is too long");
  }
  return KeyChange{std::move(*from.mutable_change())};
}

Result<Message> take(v1::RotateKey& from) { return RotateKey{from.go()}; }

Result<Message> take(v1::Leave& /*from*/) { return Leave{}; }

Result<Message> take(v1::Refused& from) {
  if (from.text().size() > kMaxTextBytes) {
    return wrong("a refusal that is too long");
  }
  const bool known = from.code() <= static_cast<std::uint32_t>(RefusalCode::removed);
  return Refused{known ? static_cast<RefusalCode>(from.code()) : RefusalCode::wrong, std::move(*from.mutable_text())};
}

Result<Message> take(v1::Ask& from) { return Ask{from.number(), std::move(*from.mutable_request())}; }
Result<Message> take(v1::Answer& from) { return Answer{from.number(), std::move(*from.mutable_answer())}; }

Result<Message> take_body(v1::Frame& frame) {
  switch (frame.body_case()) {
    case v1::Frame::kHello:
      return take(*frame.mutable_hello());
    case v1::Frame::kWelcome:
      return take(*frame.mutable_welcome());
    case v1::Frame::kJoin:
      return take(*frame.mutable_join());
    case v1::Frame::kJoined:
      return take(*frame.mutable_joined());
    case v1::Frame::kWatch:
      return take(*frame.mutable_watch());
    case v1::Frame::kState:
      return take(*frame.mutable_state());
    case v1::Frame::kEnforced:
      return take(*frame.mutable_enforced());
    case v1::Frame::kHere:
      return take(*frame.mutable_here());
    case v1::Frame::kLeave:
      return take(*frame.mutable_leave());
    case v1::Frame::kRefused:
      return take(*frame.mutable_refused());
    case v1::Frame::kAsk:
      return take(*frame.mutable_ask());
    case v1::Frame::kAnswer:
      return take(*frame.mutable_answer());
    case v1::Frame::kConfirmed:
      return take(*frame.mutable_confirmed());
    case v1::Frame::kKeyChange:
      return take(*frame.mutable_key_change());
    case v1::Frame::kOffer:
      return take(*frame.mutable_offer());
    case v1::Frame::kSeal:
      return take(*frame.mutable_seal());
    case v1::Frame::kRotateKey:
      return take(*frame.mutable_rotate_key());
    case v1::Frame::BODY_NOT_SET:
      break;
  }
  return Message{};
}

}  // namespace

std::string encode(const Message& message) {
  v1::Frame frame;
  std::visit([&](const auto& body) { put(frame, body); }, message);
  return frame.SerializeAsString();
}

Result<Message> decode(std::string_view bytes) {
  v1::Frame frame;
  if (bytes.size() > kMaxAdminFrameBytes || !frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return wrong("it cannot be read");
  }
  return take_body(frame);
}

std::uint32_t common_version(const Hello& hello) {
  const std::uint32_t highest = std::min(hello.most_version, kMostVersion);
  return highest >= std::max(hello.least_version, kLeastVersion) ? highest : 0;
}

}  // namespace krait::wire
