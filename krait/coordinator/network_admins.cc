#include "krait/coordinator/network_admins.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "krait/control/version.h"
#include "krait/wire/key_pair.h"
#include "krait/wire/message.h"

namespace krait::coordinator {

namespace {

constexpr std::size_t kMaxSessionsOfOne = 8;

// What protobuf adds to a request or an answer: two tags, a length, a number.
constexpr std::size_t kEnvelopeBytes = 64;
constexpr wire::FrameLimits kFrames{.incoming_bytes = wire::kMaxAdminFrameBytes + kEnvelopeBytes,
                                    .queued_bytes = 2 * wire::kMaxAdminFrameBytes};

}  // namespace

const trust::Administrator* administrator_of(const trust::AdminList& list, const wire::KeyHash& key) {
  const auto found = std::ranges::find_if(list.administrators, [&](const trust::Administrator& each) {
    return wire::hash_of_ed25519(each.key.bytes) == key;
  });
  return found == list.administrators.end() ? nullptr : &*found;
}

class NetworkAdmins::Session final : public wire::ConnectionUser {
 public:
  Session(NetworkAdmins& all, std::unique_ptr<wire::Connection> connection, std::uint64_t id)
      : all_(all), connection_(std::move(connection)), id_(id) {
    connection_->set_limits(kFrames);
    connection_->set_user(*this);
  }
  void on_open() override {}
  void on_frame(std::string_view bytes) override { all_.handle(*this, bytes); }
  void on_closed(const std::string& /*why*/) override { all_.forget(id_); }

  void send(const wire::Message& message) { connection_->send(wire::encode(message)); }
  void refuse(wire::RefusalCode code, std::string text) {
    text.resize(std::min(text.size(), wire::kMaxTextBytes));
    ended = true;
    send(wire::Refused{code, std::move(text)});
    connection_->finish();
  }
  [[nodiscard]] const wire::KeyHash& key() const { return connection_->peer(); }
  [[nodiscard]] std::uint64_t id() const { return id_; }

  bool greeted = false;
  bool ended = false;

 private:
  NetworkAdmins& all_;
  std::unique_ptr<wire::Connection> connection_;
  std::uint64_t id_;
};

NetworkAdmins::NetworkAdmins(Service& service, Admin& admin, std::function<void()> on_asked)
    : service_(service), admin_(admin), on_asked_(std::move(on_asked)) {}
NetworkAdmins::~NetworkAdmins() = default;

const trust::Administrator* NetworkAdmins::find(const wire::KeyHash& key) const {
  return administrator_of(service_.network().trusted().lists.back().value, key);
}

void NetworkAdmins::forget(std::uint64_t id) { sessions_.erase(id); }

void NetworkAdmins::admit(std::unique_ptr<wire::Connection> connection) {
  const wire::KeyHash key = connection->peer();
  const auto is_theirs = [&](const auto& entry) { return entry.second->key() == key; };
  if (std::cmp_greater_equal(std::ranges::count_if(sessions_, is_theirs), kMaxSessionsOfOne)) {
    sessions_.erase(std::ranges::find_if(sessions_, is_theirs));
  }
  const std::uint64_t id = next_++;
  sessions_.emplace(id, std::make_unique<Session>(*this, std::move(connection), id));
}

void NetworkAdmins::look_for_struck_off() {
  for (const auto& [id, session] : sessions_) {
    if (!session->ended && find(session->key()) == nullptr) {
      session->refuse(wire::RefusalCode::removed, "this administrator was removed");
    }
  }
}

void NetworkAdmins::handle(Session& session, std::string_view bytes) {
  if (session.ended) {
    return;
  }
  auto message = wire::decode(bytes);
  const trust::Administrator* administrator = find(session.key());
  if (!message || administrator == nullptr) {
    session.refuse(message ? wire::RefusalCode::removed : wire::RefusalCode::wrong,
                   message ? "this administrator was removed" : message.error().text());
    return;
  }
  if (const auto* hello = std::get_if<wire::Hello>(&*message); hello != nullptr && !session.greeted) {
    const std::uint32_t version = wire::common_version(*hello);
    if (version == 0) {
      session.refuse(wire::RefusalCode::version,
                     "this coordinator speaks other versions of the protocol; upgrade the "
                     "older one");
      return;
    }
    session.greeted = true;
    session.send(service_.welcome(version, true));
    return;
  }
  const auto* ask = std::get_if<wire::Ask>(&*message);
  if (ask == nullptr || !session.greeted) {
    if (!std::holds_alternative<std::monostate>(*message)) {
      session.refuse(wire::RefusalCode::wrong, "administrators say hello, and ask");
    }
    return;
  }
  const Asker asker{
      .who = "administrator " + administrator->name, .role = role_of(administrator->role), .local = false};
  admin_.handle(ask->request, asker, [this, id = session.id(), number = ask->number](std::string answer) {
    const auto found = sessions_.find(id);
    if (found != sessions_.end() && !found->second->ended) {
      found->second->send(wire::Answer{.number = number, .answer = std::move(answer)});
    }
  });
  on_asked_();
}

}  // namespace krait::coordinator
