#include "krait/trust/told.h"

#include <algorithm>
#include <deque>

#include "krait/trust/cut.h"
#include "krait/trust/describe_state.h"

namespace krait::trust {

namespace {

void sort_unique(std::vector<Key>& keys) {
  std::ranges::sort(keys);
  const auto twice = std::ranges::unique(keys);
  keys.erase(twice.begin(), twice.end());
}

std::vector<Key> identity_places_of(const HostBinding& binding) {
  std::vector<Key> places{identity_place(binding.identity)};
  for (const Route& route : binding.routes) {
    places.push_back(identity_place(route.identity));
  }
  sort_unique(places);
  return places;
}

bool is_in(const Circle& circle, const Entry& entry) {
  const auto found = std::ranges::lower_bound(circle.entries, std::string_view(entry.name), {},
                                              [](const EntryPtr& each) { return std::string_view(each->name); });
  return found != circle.entries.end() && (*found)->name == entry.name;
}

bool is_apart(const View& view) { return view.self != nullptr && !is_in(*view.told.circle, *view.self); }

std::vector<const Entry*> entries_of(const View& view) {
  std::vector<const Entry*> entries;
  entries.reserve(view.told.circle->entries.size() + 1);
  for (const EntryPtr& entry : view.told.circle->entries) {
    entries.push_back(entry.get());
  }
  if (is_apart(view)) {
    entries.insert(std::ranges::upper_bound(entries, view.self->name, {}, &Entry::name), view.self);
  }
  return entries;
}

Cut hosts_cut(const View& view) {
  return {view.told.heads->hosts_tree, view.told.circle->places,
          is_apart(view) ? std::span<const Key>(view.self->places) : std::span<const Key>()};
}

Cut policy_cut(const View& view) {
  return {view.told.heads->policy_tree, view.told.circle->identity_places, view.told.own_places};
}

// A host of which something else was told before, or is now.
struct Change {
  const Entry* then = nullptr;
  const Entry* now = nullptr;
};

std::vector<Change> changes_of(const std::vector<const Entry*>& now, const std::vector<const Entry*>& then, bool all) {
  std::vector<Change> changes;
  auto former = then.begin();
  for (const Entry* entry : now) {
    for (; former != then.end() && (*former)->name < entry->name; ++former) {
      changes.push_back({*former, nullptr});
    }
    const bool was_there = former != then.end() && (*former)->name == entry->name;
    if (!was_there || *former != entry || all) {
      changes.push_back({was_there ? *former : nullptr, entry});
    }
    former += was_there ? 1 : 0;
  }
  for (; former != then.end(); ++former) {
    changes.push_back({*former, nullptr});
  }
  return changes;
}

std::vector<Change> changes_of(const View& view, const View* known) {
  if (known == nullptr) {
    return changes_of(entries_of(view), {}, true);
  }
  if (view.told.circle == known->told.circle && view.self == known->self &&
      view.told.keepalive_s == known->told.keepalive_s) {
    return {};
  }
  return changes_of(entries_of(view), entries_of(*known), view.told.keepalive_s != known->told.keepalive_s);
}

// What of a host is a T; null: nothing. Made ones live as long as this does.
struct Picker {
  const View& view;
  std::deque<Advice> made{};

  const Joined* pick(const Entry& entry, const Joined* /*kind*/) const {
    return entry.joined ? &*entry.joined : nullptr;
  }
  const Signed<KeyChange>* pick(const Entry& entry, const Signed<KeyChange>* /*kind*/) const {
    return entry.key_change ? &*entry.key_change : nullptr;
  }
  const Advice* pick(const Entry& entry, const Advice* /*kind*/) {
    const bool is_self = view.self != nullptr && view.self->name == entry.name;
    if (is_self || (!entry.endpoint && view.told.keepalive_s == 0)) {
      return nullptr;
    }
    return &made.emplace_back(
        Advice{.host = entry.name, .endpoint = entry.endpoint, .keepalive_s = view.told.keepalive_s});
  }
};

// As state.cc has it: whose has gone, and what is new or another.
template <typename T>
void write_changed(Writer& writer, const std::vector<Change>& changes, Picker& now, Picker& then) {
  std::vector<const std::string*> gone;
  std::vector<const T*> put;
  for (const Change& change : changes) {
    const T* kind = nullptr;
    const T* is = change.now == nullptr ? nullptr : now.pick(*change.now, kind);
    const T* was = change.then == nullptr ? nullptr : then.pick(*change.then, kind);
    if (is == nullptr && was != nullptr) {
      gone.push_back(&change.then->name);
    } else if (is != nullptr && (was == nullptr || !(*is == *was))) {
      put.push_back(is);
    }
  }
  writer.list(gone, kMaxHosts, [](auto& inner, const auto* name) { describe_name(inner, *name); });
  writer.list(put, kMaxHosts, [](auto& inner, const auto* entry) { describe_entry(inner, *entry); });
}

const Tree* row_of(const View* view, const std::string& identity) {
  if (view == nullptr) {
    return nullptr;
  }
  const auto found = std::ranges::find(view->told.rows, identity, &std::pair<std::string, Tree>::first);
  return found == view->told.rows.end() ? nullptr : &found->second;
}

void write_rows(Writer& writer, const View& view, const View* known) {
  writer.number(view.told.rows.size(), 4);
  for (const auto& [name, row] : view.told.rows) {
    describe_identity(writer, name);
    const Tree* former = row_of(known, name);
    const Part part = former == nullptr ? Part() : whole_of(*former);
    writer.blob(encode_part(whole_of(row), former == nullptr ? nullptr : &part));
  }
}

Bytes encode_cuts(const Cut& cut, const View* known, Cut (*cut_of)(const View&)) {
  if (known == nullptr) {
    return encode_cut(cut);
  }
  const Cut former = cut_of(*known);
  return encode_cut(cut, &former);
}

}  // namespace

Entry entry_of(const HostBinding& binding) {
  return {.name = binding.name,
          .places = {host_place(binding.name)},
          .identity_places = identity_places_of(binding),
          .joined = {},
          .key_change = {},
          .endpoint = {}};
}

Entry entry_of(const Joined& joined) {
  const HostBinding& binding = joined.host.value.binding;
  Entry entry = entry_of(binding);
  entry.joined = joined;
  entry.places.push_back(removed_place(grant_id(joined.grant)));
  entry.places.push_back(removed_place(joined_id(joined.host)));
  for (const common::Ip& address : binding.addresses) {
    entry.places.push_back(address_place(address));
  }
  for (const Route& route : binding.routes) {
    entry.places.push_back(route_place(route.prefix));
  }
  sort_unique(entry.places);
  return entry;
}

Circle circle_of(std::vector<EntryPtr> entries) {
  Circle circle{.entries = std::move(entries), .places = {}, .identity_places = {}};
  std::ranges::sort(circle.entries, {}, [](const EntryPtr& entry) { return std::string_view(entry->name); });
  const auto twice = std::ranges::unique(circle.entries);  // a host with two identities
  circle.entries.erase(twice.begin(), twice.end());
  for (const EntryPtr& entry : circle.entries) {
    circle.places.insert(circle.places.end(), entry->places.begin(), entry->places.end());
    circle.identity_places.insert(circle.identity_places.end(), entry->identity_places.begin(),
                                  entry->identity_places.end());
  }
  sort_unique(circle.places);
  sort_unique(circle.identity_places);
  circle.places.shrink_to_fit();
  circle.identity_places.shrink_to_fit();
  return circle;
}

Bytes encode_view(const View& view, const View* known) {
  Writer writer;
  describe_kind(writer, Kind::state);
  const Heads& heads = *view.told.heads;
  writer.list(heads.lists, kMaxLists, [](auto& inner, const auto& list) { describe_signed(inner, list); });
  describe_signed(writer, heads.hosts);
  describe_signed(writer, heads.policy);
  writer.blob(encode_cuts(hosts_cut(view), known, hosts_cut));
  writer.blob(encode_cuts(policy_cut(view), known, policy_cut));
  write_rows(writer, view, known);
  const std::vector<Change> changes = changes_of(view, known);
  Picker now{.view = view};
  Picker then{.view = known == nullptr ? view : *known};
  write_changed<Joined>(writer, changes, now, then);
  write_changed<Signed<KeyChange>>(writer, changes, now, then);
  write_changed<Advice>(writer, changes, now, then);
  return writer.take();
}

bool is_common(const View& now, const View& then) {
  if (now.self == nullptr || now.self != then.self || is_apart(now) != is_apart(then)) {
    return false;
  }
  if (!is_apart(now)) {  // one of those who are told of; advice of itself is the one thing that it is not told
    return now.told.keepalive_s == then.told.keepalive_s;
  }
  const Cut hosts{now.told.heads->hosts_tree, now.told.circle->places};
  const Cut former{then.told.heads->hosts_tree, then.told.circle->places};
  return std::ranges::all_of(now.self->places, [&](const Key& key) { return is_untold(hosts, former, key); });
}

}  // namespace krait::trust
