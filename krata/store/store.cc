#include "krata/store/store.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace krata::store {

namespace {

Message answer_to(ConnectionId to, const Request& request, const Answer<std::string>& payload) {
  Header header{.operation = request.operation, .request = request.id, .transaction = request.transaction};
  Message message{.to = to, .bytes = {}};
  if (payload && payload->size() <= kMaxPayloadBytes) {
    append_message(message.bytes, header, *payload);
    return message;
  }
  header.operation = std::to_underlying(Operation::error);
  std::string name(name_of(payload ? Refusal::e2big : payload.error()));
  append_message(message.bytes, header, name.append(1, '\0'));
  return message;
}

}  // namespace

std::string_view name_of(Special special) {
  return special == Special::introduce_domain ? "@introduceDomain" : "@releaseDomain";
}

std::optional<SpecialPath> special_path(std::string_view path) {
  for (const Special special : {Special::introduce_domain, Special::release_domain}) {
    const std::string_view name = name_of(special);
    if (path == name) {
      return SpecialPath{.special = special, .domain = {}};
    }
    if (path.starts_with(name) && path[name.size()] == '/') {
      DomainId domain = 0;
      const auto [end, error] = std::from_chars(path.data() + name.size() + 1, path.data() + path.size(), domain);
      return error == std::errc{} && end == path.data() + path.size()
                 ? std::optional(SpecialPath{.special = special, .domain = domain})
                 : std::nullopt;
    }
  }
  return std::nullopt;
}

// Both strings were short enough on their way here, but a node far below a watched one and a long token may together be
// more than a message holds. Such an event is left out, as xenstored does.
void Store::add_event(const Watch& watch, std::string_view path, Messages& out) {
  std::string payload = watch.shown(path);
  payload.append(1, '\0').append(watch.token).append(1, '\0');
  if (payload.size() <= kMaxPayloadBytes) {
    Message& message = out.emplace_back(Message{.to = watch.connection, .is_event = true, .bytes = {}});
    append_message(message.bytes, {.operation = std::to_underlying(Operation::watch_event)}, payload);
  }
}

Store::Store(Rings& rings, const Quota& quota, bool keeps_changes)
    : rings_(rings), quota_(quota), keeps_changes_(keeps_changes) {}

void Store::connect(ConnectionId connection) { connections_.try_emplace(connection); }

void Store::disconnect(ConnectionId connection) {
  give_up_on(connection);
  connections_.erase(connection);
}

void Store::give_up_on(ConnectionId connection) {
  end_all_of(connection);
  if (outlives_process(connection)) {
    note(WatchesGone{.connection = connection});
  }
}

void Store::end_all_of(ConnectionId connection) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) {
    return;
  }
  watches_.remove_all(connection);
  if (!found->second.actor.is_privileged()) {
    zone_transactions_ -= found->second.transactions.size();
  }
  found->second.transactions.clear();
}

std::size_t Store::open_transactions(ConnectionId connection) const {
  const auto found = connections_.find(connection);
  return found == connections_.end() ? 0 : found->second.transactions.size();
}

Store::Entry Store::entry_of(std::uint32_t operation) {
  switch (static_cast<Operation>(operation)) {
    case Operation::control:
      return {.handler = &Store::control, .is_privileged = true};
    case Operation::directory:
      return {.handler = &Store::directory};
    case Operation::read:
      return {.handler = &Store::read};
    case Operation::get_permissions:
      return {.handler = &Store::get_permissions};
    case Operation::watch:
      return {.handler = &Store::watch, .ignores_transaction = true};
    case Operation::unwatch:
      return {.handler = &Store::unwatch, .ignores_transaction = true};
    case Operation::transaction_start:
      return {.handler = &Store::transaction_start};
    case Operation::transaction_end:
      return {.handler = &Store::transaction_end};
    case Operation::introduce:
      return {.handler = &Store::introduce, .is_privileged = true};
    case Operation::release:
      return {.handler = &Store::release, .is_privileged = true};
    case Operation::get_domain_path:
      return {.handler = &Store::get_domain_path};
    case Operation::write:
      return {.handler = &Store::write};
    case Operation::mkdir:
      return {.handler = &Store::mkdir};
    case Operation::remove:
      return {.handler = &Store::remove};
    case Operation::set_permissions:
      return {.handler = &Store::set_permissions};
    case Operation::is_domain_introduced:
      return {.handler = &Store::is_domain_introduced, .is_privileged = true};
    case Operation::resume:
      return {.handler = &Store::resume, .is_privileged = true};
    case Operation::set_target:
      return {.handler = &Store::set_target, .is_privileged = true};
    case Operation::reset_watches:
      return {.handler = &Store::reset_watches};
    case Operation::directory_part:
      return {.handler = &Store::directory_part};
    case Operation::watch_event:
    case Operation::error:
      break;
  }
  return {};
}

Store::Payload Store::answer(Turn& turn) {
  const Entry entry = entry_of(turn.request.operation);
  if (entry.handler == nullptr) {
    return refuse(Refusal::enosys);
  }
  if (entry.is_privileged && !turn.connection.actor.is_privileged()) {
    return refuse(Refusal::eacces);
  }
  if (turn.request.transaction != 0 && !entry.ignores_transaction) {
    const auto found = turn.connection.transactions.find(turn.request.transaction);
    if (found == turn.connection.transactions.end()) {
      return refuse(Refusal::enoent);
    }
    turn.transaction = &found->second;
  }
  return (this->*entry.handler)(turn);
}

void Store::count(std::uint32_t operation, bool is_refused) {
  if (operation < kOperations) {
    ++served_.requests.at(operation);
  }
  served_.refused += is_refused ? 1 : 0;
}

void Store::handle(ConnectionId from, const Request& request, Messages& out) {
  const auto found = connections_.find(from);
  if (found == connections_.end()) {
    return;
  }
  Turn turn{
      .from = from, .connection = found->second, .request = request, .transaction = nullptr, .out = out, .after = {}};
  const Payload payload = answer(turn);
  count(request.operation, !payload);
  out.push_back(answer_to(from, request, payload));
  std::ranges::move(turn.after, std::back_inserter(out));
}

void Store::note(Change change) {
  if (keeps_changes_) {
    changes_.push_back(std::move(change));
  }
}

void Store::apply(const TreeChange& change) {
  tree_.apply(change);
  note(change);
  if (zone_transactions_ != 0) {
    end_greedy_transactions();
  }
}

// A domain is told of what it may read, or might see gone from a folder that it may read.
void Store::tell(const NodeEvent& event, Messages& out) const {
  for (const Watch* watch : watches_.matches(event.path, event.is_exact)) {
    const Actor& actor = connections_.at(watch->connection).actor;
    const auto reads = [&](const SharedPermissions& p) { return p != nullptr && allows(*p, actor, Access::read); };
    if (reads(event.permissions) || reads(event.former) || reads(event.parent)) {
      add_event(*watch, event.path, out);
    }
  }
}

const Permissions& Store::special_permissions(Special special) const {
  return special == Special::introduce_domain ? introduce_permissions_ : release_permissions_;
}

void Store::tell_special(Special special, DomainId domain, Messages& out) const {
  const std::string_view name = name_of(special);
  const std::string named = std::string(name) + "/" + std::to_string(domain);
  for (const std::string_view path : {name, std::string_view(named)}) {
    for (const Watch* watch : watches_.matches(path, true)) {
      if (allows(special_permissions(special), connections_.at(watch->connection).actor, Access::read)) {
        add_event(*watch, watch->depth == 1 ? named : path, out);
      }
    }
  }
}

}  // namespace krata::store
