#include "krait/doctor/ruleset.h"

namespace krait::doctor {

using common::find_member;
using common::list_at;
using common::text_at;

common::Result<Ruleset> parse_ruleset(std::string_view json) {
  const Json parsed = common::parse_json(json);
  const Json* list = find_member(parsed, "nftables");
  if (list == nullptr || !list->is_array()) {
    return common::Error(common::ErrorCode::invalid_input, "the ruleset is no JSON of libnftables");
  }
  Ruleset ruleset;
  for (const Json& item : *list) {
    if (const Json* chain = find_member(item, "chain")) {
      Chain made{.family = text_at(*chain, "family"),
                 .table = text_at(*chain, "table"),
                 .name = text_at(*chain, "name"),
                 .type = text_at(*chain, "type"),
                 .hook = text_at(*chain, "hook"),
                 .drops = text_at(*chain, "policy") == "drop",
                 .rules = {}};
      ruleset.chains.emplace(ChainName{made.family, made.table, made.name}, made);
    } else if (const Json* rule = find_member(item, "rule")) {
      const auto home =
          ruleset.chains.find({text_at(*rule, "family"), text_at(*rule, "table"), text_at(*rule, "chain")});
      if (home != ruleset.chains.end()) {
        home->second.rules.push_back(list_at(*rule, "expr"));
      }
    } else if (const Json* set = find_member(item, "set")) {
      ruleset.sets.emplace(ChainName{text_at(*set, "family"), text_at(*set, "table"), text_at(*set, "name")},
                           list_at(*set, "elem"));
    }
  }
  return ruleset;
}

}  // namespace krait::doctor
