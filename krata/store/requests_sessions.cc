// Requests for what a connection has of its own: watches and transactions.
#include <algorithm>
#include <charconv>
#include <ranges>

#include "krata/store/store.h"

namespace krata::store {

namespace {

// The third string of WATCH. Nothing where it is no decimal number.
std::optional<std::uint32_t> depth_of(std::string_view text) {
  std::uint32_t depth = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), depth);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(depth) : std::nullopt;
}

}  // namespace

// A path to watch: as any other, or special, of which there are more than the two that ever have events.
static Answer<std::string> watched_path(std::string_view given, const Answer<std::string>& path) {
  if (!is_special(given)) {
    return path;
  }
  return is_valid_special(given) ? Answer<std::string>(given) : std::unexpected(Refusal::einval);
}

Store::Payload Store::watch(Turn& turn) {
  const auto strings = strings_of(turn.request.payload);
  if (!strings || strings->size() < 2 || strings->size() > 3) {
    return refuse(Refusal::einval);
  }
  const std::string_view given = strings->front();
  auto path = watched_path(given, path_of(turn, given));
  if (!path) {
    return refuse(path.error());
  }
  std::optional<std::uint32_t> depth;
  if (strings->size() == 3) {
    depth = depth_of(strings->back());
    if (!depth || (is_special(given) && depth != 1)) {
      return refuse(Refusal::einval);
    }
  }
  Watch watch{.connection = turn.from,
              .path = std::move(*path),
              .given = std::string(given),
              .token = std::string((*strings)[1]),
              .depth = depth};
  if (watches_.contains(turn.from, watch.path, watch.token)) {
    return refuse(Refusal::eexist);
  }
  if (!turn.connection.actor.is_privileged() && watches_.count(turn.from) > quota_.watches) {
    return refuse(Refusal::e2big);
  }
  watches_.add(watch);
  add_event(watch, watch.path, turn.after);
  if (outlives_process(turn.from)) {
    note(WatchSet{.watch = std::move(watch)});
  }
  return done();
}

Store::Payload Store::unwatch(Turn& turn) {
  const auto strings = strings_of(turn.request.payload);
  if (!strings || strings->size() < 2 || strings->size() > 3) {
    return refuse(Refusal::einval);
  }
  auto path = watched_path(strings->front(), path_of(turn, strings->front()));
  if (!path) {
    return refuse(path.error());
  }
  if (!watches_.remove(turn.from, *path, (*strings)[1])) {
    return refuse(Refusal::enoent);
  }
  if (outlives_process(turn.from)) {
    note(WatchGone{.connection = turn.from, .path = std::move(*path), .token = std::string((*strings)[1])});
  }
  return done();
}

Store::Payload Store::reset_watches(Turn& turn) {
  give_up_on(turn.from);  // turn.transaction is gone with the others
  return done();
}

Store::Payload Store::transaction_start(Turn& turn) {
  Connection& connection = turn.connection;
  if (turn.transaction != nullptr) {
    return refuse(Refusal::ebusy);
  }
  if (!connection.actor.is_privileged() && connection.transactions.size() > quota_.transactions) {
    return refuse(Refusal::enospc);
  }
  do {
    ++connection.last_transaction;
  } while (connection.last_transaction == 0 || connection.transactions.contains(connection.last_transaction));
  connection.transactions.emplace(connection.last_transaction, Transaction(tree_));
  zone_transactions_ += connection.actor.is_privileged() ? 0 : 1;
  if (outlives_process(turn.from)) {
    note(TransactionOpened{.connection = turn.from, .id = connection.last_transaction});
  }
  return std::to_string(connection.last_transaction).append(1, '\0');
}

Store::Payload Store::transaction_end(Turn& turn) {
  const auto how = single_string(turn.request.payload);
  if (!how || (*how != "T" && *how != "F")) {
    return refuse(Refusal::einval);
  }
  if (turn.transaction == nullptr) {
    return refuse(Refusal::enoent);
  }
  const std::optional<Transaction> transaction = std::move(*turn.transaction);
  turn.connection.transactions.erase(turn.request.transaction);
  zone_transactions_ -= turn.connection.actor.is_privileged() ? 0 : 1;
  if (outlives_process(turn.from)) {
    note(TransactionClosed{.connection = turn.from, .id = turn.request.transaction});
  }
  if (*how == "F") {
    return done();
  }
  return transaction ? commit(turn, *transaction) : refuse(Refusal::eagain);
}

Store::Payload Store::commit(Turn& turn, const Transaction& transaction) {
  if (transaction.conflicts_with(tree_)) {
    return refuse(Refusal::eagain);
  }
  const Actor& actor = turn.connection.actor;
  const std::int64_t gained = transaction.gained(actor.domain);
  if (!actor.is_privileged() && gained > 0 && tree_.nodes_of(actor.domain) + gained > quota_.nodes) {
    return refuse(Refusal::enospc);  // others, or other transactions, have made some meanwhile
  }
  for (const TreeChange& change : transaction.changes()) {
    apply(change);
  }
  for (const NodeEvent& event : transaction.events(tree_)) {
    tell(event, turn.out);
  }
  return done();
}

// A snapshot makes the tree copy what it changes, and the originals stay for as long as the transaction. A domain that
// keeps transactions open while it rewrites its nodes would use up memory without end.
void Store::end_greedy_transactions() {
  for (auto& [id, connection] : connections_) {
    if (connection.actor.is_privileged()) {
      continue;
    }
    for (auto& [number, transaction] : connection.transactions) {
      if (transaction && transaction->kept_bytes(tree_) > quota_.transaction_bytes) {
        transaction.reset();
      }
    }
  }
}

}  // namespace krata::store
