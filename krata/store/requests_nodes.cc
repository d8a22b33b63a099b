// Requests for nodes.
#include <algorithm>
#include <charconv>

#include "common/result.h"
#include "krata/store/store.h"

namespace krata::store {

// Bytes of a path that a domain's limit does not count: those in front of its own or another domain's folder.
static std::size_t uncounted_bytes(std::string_view path) {
  constexpr std::string_view kDomains = "/local/domain/";
  if (!path.starts_with(kDomains)) {
    return 0;
  }
  const std::size_t end = path.find_first_not_of("0123456789", kDomains.size());
  return end != std::string_view::npos && end != kDomains.size() && path[end] == '/' ? end + 1 : 0;
}

Answer<std::string> Store::path_of(const Turn& turn, std::string_view given) const {
  auto path = absolute_path(given, turn.connection.actor.domain);
  if (path && !turn.connection.actor.is_privileged() && path->size() > uncounted_bytes(*path) + quota_.path_max) {
    return std::unexpected(Refusal::einval);
  }
  return path;
}

Answer<std::string> Store::single_path_of(const Turn& turn) const {
  const auto given = single_string(turn.request.payload);
  return given ? path_of(turn, *given) : std::unexpected(given.error());
}

// A transaction whose copy is gone shows the tree as it is: what it reads does not come true anyway.
View Store::view_of(const Turn& turn) const {
  const bool is_own = turn.transaction != nullptr && turn.transaction->has_value();
  return {.tree = is_own ? (*turn.transaction)->tree() : tree_, .actor = turn.connection.actor, .quota = quota_};
}

Answer<void> Store::look_at(Turn& turn, std::string_view path) const {
  if (turn.transaction == nullptr || !turn.transaction->has_value()) {
    return {};
  }
  (*turn.transaction)->look_at(path);
  if (!turn.connection.actor.is_privileged() && (*turn.transaction)->nodes() > quota_.transaction_nodes) {
    return std::unexpected(Refusal::enospc);
  }
  return {};
}

// What a transaction may not do follows from the node above, too.
std::unexpected<Refusal> Store::refused(Turn& turn, std::string_view path, Refusal refusal) const {
  if (refusal == Refusal::eacces) {
    std::ignore = look_at(turn, parent_of(path));
  }
  return std::unexpected(refusal);
}

Answer<const Node*> Store::node_of(Turn& turn, Answer<std::string_view> given) {
  if (!given) {
    return std::unexpected(given.error());
  }
  KRAIT_TRY(const auto path, path_of(turn, *given));
  KRAIT_CHECK(look_at(turn, path));
  const auto node = permitted(view_of(turn), path, Access::read);
  return node ? node : refused(turn, path, node.error());
}

Store::Payload Store::directory(Turn& turn) {
  const auto node = node_of(turn, single_string(turn.request.payload));
  return node ? Payload((*node)->listing()) : refuse(node.error());
}

Store::Payload Store::directory_part(Turn& turn) {
  const auto strings = strings_of(turn.request.payload);
  if (!strings || strings->size() != 2) {
    return refuse(Refusal::einval);
  }
  const auto node = node_of(turn, strings->front());
  if (!node) {
    return refuse(node.error());
  }
  std::string part = std::to_string((*node)->generation);
  part += '\0';
  const std::string listing = (*node)->listing();
  const std::int32_t offset = number_of(strings->back());
  // Behind the end there is the empty name, which says that there is no more.
  std::size_t at = offset < 0 ? listing.size() : std::min(static_cast<std::size_t>(offset), listing.size());
  while (at < listing.size()) {
    const std::size_t end = listing.find('\0', at) + 1;
    if (part.size() + (end - at) >= kMaxPayloadBytes) {
      return part;
    }
    part.append(listing, at, end - at);
    at = end;
  }
  return part.append(1, '\0');
}

Store::Payload Store::read(Turn& turn) {
  const auto node = node_of(turn, single_string(turn.request.payload));
  return node ? Payload((*node)->value) : refuse(node.error());
}

Store::Payload Store::get_permissions(Turn& turn) {
  const auto node = node_of(turn, single_string(turn.request.payload));
  return node ? Payload(text_of(*(*node)->permissions)) : refuse(node.error());
}

Store::Payload Store::carry_out(Turn& turn, const std::string& path, Answer<Edit> edit) {
  if (auto looked = look_at(turn, path); !looked) {
    return refuse(looked.error());
  }
  if (!edit) {
    return refused(turn, path, edit.error());
  }
  if (turn.transaction == nullptr) {
    for (const TreeChange& change : edit->changes) {
      apply(change);
    }
    for (const NodeEvent& event : edit->events) {
      tell(event, turn.out);
    }
    return done();
  }
  if (turn.transaction->has_value()) {
    Transaction& transaction = **turn.transaction;
    const bool is_bound = !turn.connection.actor.is_privileged();
    if (is_bound && (transaction.nodes() + edit->events.size() > quota_.transaction_nodes ||
                     transaction.bytes() + turn.request.payload.size() > quota_.transaction_bytes)) {
      return refuse(Refusal::enospc);
    }
    transaction.apply(*edit);
  }
  return done();
}

Store::Payload Store::write(Turn& turn) {
  const std::size_t end = turn.request.payload.find('\0');
  if (end == std::string_view::npos) {
    return refuse(Refusal::einval);
  }
  const auto path = path_of(turn, turn.request.payload.substr(0, end));
  return path ? carry_out(turn, *path, plan_write(view_of(turn), *path, turn.request.payload.substr(end + 1)))
              : refuse(path.error());
}

Store::Payload Store::mkdir(Turn& turn) {
  const auto path = single_path_of(turn);
  return path ? carry_out(turn, *path, plan_mkdir(view_of(turn), *path)) : refuse(path.error());
}

Store::Payload Store::remove(Turn& turn) {
  const auto path = single_path_of(turn);
  return path ? carry_out(turn, *path, plan_remove(view_of(turn), *path)) : refuse(path.error());
}

Store::Payload Store::set_permissions(Turn& turn) {
  const auto strings = strings_of(turn.request.payload);
  if (!strings || strings->size() < 2) {
    return refuse(Refusal::einval);
  }
  auto permissions = parse_permissions(*strings, 1);
  if (!permissions) {
    return refuse(permissions.error());
  }
  if (!rings_.exists(permissions->front().domain)) {
    return refuse(Refusal::enoent);
  }
  if (is_special(strings->front())) {
    return set_special_permissions(turn, strings->front(), std::move(*permissions));
  }
  const auto path = path_of(turn, strings->front());
  return path ? carry_out(turn, *path, plan_set_permissions(view_of(turn), *path, std::move(*permissions)))
              : refuse(path.error());
}

Store::Payload Store::set_special_permissions(Turn& turn, std::string_view path, Permissions permissions) {
  const auto special = special_path(path);
  if (!special || special->domain) {
    return refuse(Refusal::einval);
  }
  if (!owns(special_permissions(special->special), turn.connection.actor)) {
    return refuse(Refusal::eacces);
  }
  note(SpecialPermissions{.special = special->special, .permissions = permissions});
  (special->special == Special::introduce_domain ? introduce_permissions_ : release_permissions_) =
      std::move(permissions);
  return done();
}

}  // namespace krata::store
