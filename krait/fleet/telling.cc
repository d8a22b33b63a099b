// What hosts are told: one entry for each host, one circle for each set of peers, one Told for each set of identities;
// all are kept while somebody holds them, and made anew where a change concerns them.
#include <algorithm>
#include <iterator>

#include "krait/fleet/network.h"

namespace krait::fleet {

namespace {

std::vector<trust::Key> own_places_of(const std::set<std::string>& identities) {
  std::vector<trust::Key> places{trust::settings_place(), trust::identity_place(trust::kAnyIdentity)};
  for (const std::string& identity : identities) {
    places.push_back(trust::identity_place(identity));
  }
  std::ranges::sort(places);
  return places;
}

bool are_same(const std::vector<std::pair<std::string, trust::Tree>>& a,
              const std::vector<std::pair<std::string, trust::Tree>>& b) {
  return std::ranges::equal(a, b, [](const auto& one, const auto& other) {
    return one.first == other.first && one.second.root() == other.second.root();
  });
}

bool is_one_of(Kind kind, std::initializer_list<Kind> kinds) { return std::ranges::find(kinds, kind) != kinds.end(); }

}  // namespace

// A host that may be shown: an administrator's, or a token's that does not wait and is not in anybody's place.
trust::EntryPtr Network::make_entry(const std::string& host) const {
  trust::Entry entry;
  std::uint64_t key_serial = 0;
  if (const trust::HostBinding* bound = trusted_.hosts_book.find(host)) {
    entry = trust::entry_of(*bound);
    key_serial = bound->key_serial;
  } else if (const auto by_token = trusted_.joined.find(host); by_token != trusted_.joined.end()) {
    const trust::Joined& joined = by_token->second;
    if (!trust::check_join(joined.grant, joined.host, trusted_.lists.back().value, trusted_.hosts_book,
                           joined.host.value.made_s)) {
      return nullptr;
    }
    entry = trust::entry_of(joined);
    key_serial = joined.host.value.binding.key_serial;
  } else {
    return nullptr;
  }
  const auto change = trusted_.key_changes.find(host);
  if (change != trusted_.key_changes.end() && change->second.value.serial > key_serial) {
    entry.key_change = change->second;
  }
  if (const Host* known = find_host(host)) {
    entry.endpoint = known->endpoint();
  }
  return std::make_shared<const trust::Entry>(std::move(entry));
}

void Network::refresh_entry(const std::string& host) {
  if (const auto former = entries_.find(host); former != entries_.end()) {
    for (const std::string& identity : former->second.identities) {
      const auto members = members_.find(identity);
      members->second.entries.erase(host);
      members->second.version = ++last_version_;
      if (members->second.entries.empty()) {
        members_.erase(members);
      }
    }
    entries_.erase(former);
  }
  const trust::EntryPtr entry = make_entry(host);
  if (entry == nullptr) {
    return;
  }
  const Shown& shown = entries_[host] = {entry, identities_of(host)};
  for (const std::string& identity : shown.identities) {
    Members& members = members_[identity];
    members.entries[host] = entry;
    members.version = ++last_version_;
  }
}

// Hosts that came with tokens may be shown no longer, or again, by what administrators have changed.
void Network::look_after_joined(bool with_signatures, Concerned& concerned) {
  for (const auto& [name, joined] : trusted_.joined) {
    const auto known = entries_.find(name);
    const auto is_shown = [&] { return known != entries_.end(); };
    const auto is_in_the_way = [&](const trust::Key& place) {
      return trusted_.hosts_book.tree().find(place) != nullptr;
    };
    if (!with_signatures && is_shown() && std::ranges::none_of(known->second.entry->places, is_in_the_way)) {
      continue;
    }
    if ((make_entry(name) != nullptr) != is_shown()) {
      touch(name, concerned);
    }
  }
}

void Network::refresh(const std::vector<Row>& rows, Concerned& concerned) {
  const auto has = [&](std::initializer_list<Kind> kinds) {
    return std::ranges::any_of(rows, [&](const Row& row) { return is_one_of(row.kind, kinds); });
  };
  for (const std::string& host : concerned.hosts) {
    refresh_entry(host);
  }
  if (has({Kind::binding, Kind::taken_back, Kind::admin_list})) {
    Concerned by_change;
    look_after_joined(has({Kind::admin_list}), by_change);
    for (const std::string& host : by_change.hosts) {
      refresh_entry(host);
    }
    concerned.hosts.merge(by_change.hosts);
    concerned.identities.merge(by_change.identities);
  }
  if (heads_ == nullptr || has({Kind::binding, Kind::taken_back, Kind::admin_list, Kind::statement, Kind::policy})) {
    heads_ = std::make_shared<const trust::Heads>(trust::Heads{.lists = trusted_.lists,
                                                               .hosts = trusted_.hosts,
                                                               .policy = trusted_.policy,
                                                               .hosts_tree = trusted_.hosts_book.tree(),
                                                               .policy_tree = trusted_.policy_book.tree()});
  }
  ++changes_;
  std::erase_if(made_, [](const auto& each) { return each.second.told.use_count() == 1; });
  std::erase_if(circles_, [](const auto& each) { return each.second.expired(); });
}

std::shared_ptr<const trust::Circle> Network::circle_for(const std::set<std::string>& identities) const {
  std::set<std::string> met;
  for (const std::string& own : identities) {
    met.merge(trusted_.policy_book.talks_with(own));
  }
  Fellows fellows;
  std::vector<const Members*> all;
  for (const std::string& identity : met) {
    if (const auto found = members_.find(identity); found != members_.end()) {
      fellows.push_back(found->second.version);
      all.push_back(&found->second);
    }
  }
  std::ranges::sort(fellows);
  std::weak_ptr<const trust::Circle>& known = circles_[fellows];
  if (auto circle = known.lock()) {
    return circle;
  }
  std::vector<trust::EntryPtr> entries;
  for (const Members* members : all) {
    for (const auto& [name, entry] : members->entries) {
      entries.push_back(entry);
    }
  }
  auto circle = std::make_shared<const trust::Circle>(trust::circle_of(std::move(entries)));
  known = circle;
  return circle;
}

Telling Network::telling_for(const Host& host) const {
  const auto entry = entries_.find(host.name);
  const trust::EntryPtr self = entry == entries_.end() ? nullptr : entry->second.entry;
  const std::uint16_t keepalive_s = host.behind_nat ? settings_.keepalive_s : std::uint16_t{0};
  Group group{identities_of(host.name), keepalive_s};
  Made& made = made_[group];
  if (made.told == nullptr || made.change != changes_) {
    refresh_told(group, made);
  }
  return {made.told, self};
}

// What turns out to be as it was stays the very same.
void Network::refresh_told(const Group& group, Made& made) const {
  trust::Told now{
      .heads = heads_, .circle = circle_for(group.first), .rows = {}, .own_places = {}, .keepalive_s = group.second};
  std::set<std::string> names = group.first;
  names.emplace(trust::kAnyIdentity);
  for (const std::string& name : names) {
    if (const auto row = trusted_.policy_book.rows().find(name); row != trusted_.policy_book.rows().end()) {
      now.rows.emplace_back(name, row->second);
    }
  }
  made.change = changes_;
  const trust::Told* former = made.told.get();
  if (former == nullptr || former->heads != now.heads || former->circle != now.circle ||
      !are_same(former->rows, now.rows)) {
    now.own_places = former == nullptr ? own_places_of(group.first) : former->own_places;
    made.told = std::make_shared<const trust::Told>(std::move(now));
  }
}

}  // namespace krait::fleet
