#include "krata/init/accounts.h"

#include <gtest/gtest.h>

#include <array>

#include "krata/init/options.h"
#include "krata/init/texts.h"

namespace krata::init {
namespace {

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# a comment:x:5:5::/:\n"
    "broken line\n"
    "huge:x:99999999999:1::/:/bin/sh\n"
    "web:x:33:34:Web,,,:/srv/web:/bin/sh\n"
    "1000:x:44:45::/odd:\n"
    "last:x:50:51::/last:/bin/sh";
constexpr std::string_view kGroup =
    "root:x:0:\n"
    "web:x:34:\n"
    "tape:x:40:web,last\n"
    "more:x:41:last,web\n"
    "webs:x:42:webmaster\n"
    "none:x:43:";

Account account_of(std::string_view user) {
  auto account = find_account(user, kPasswd, kGroup);
  EXPECT_TRUE(account) << account.error().text();
  return account ? *account : Account();
}

TEST(Accounts, AreFoundByNamesAndNumbers) {
  EXPECT_EQ(account_of(""), (Account{.home = "/root"}));
  EXPECT_EQ(account_of("web"), (Account{.uid = 33, .gid = 34, .groups = {40, 41}, .home = "/srv/web"}));
  EXPECT_EQ(account_of("33"), (Account{.uid = 33, .gid = 34, .groups = {40, 41}, .home = "/srv/web"}));
  EXPECT_EQ(account_of("web:tape"), (Account{.uid = 33, .gid = 40, .groups = {}, .home = "/srv/web"}));
  EXPECT_EQ(account_of("web:7"), (Account{.uid = 33, .gid = 7, .groups = {}, .home = "/srv/web"}));
  EXPECT_EQ(account_of("5000"), (Account{.uid = 5000, .gid = 0, .groups = {}, .home = "/"}));
  EXPECT_EQ(account_of("5000:none"), (Account{.uid = 5000, .gid = 43, .groups = {}, .home = "/"}));
  EXPECT_EQ(account_of("last").groups, (std::vector<std::uint32_t>{40, 41}));
  EXPECT_EQ(account_of("1000").uid, 44U);  // a name that looks like a number is a name
}

TEST(Accounts, ThatAreNotThereAreNamed) {
  EXPECT_EQ(find_account("nobody", kPasswd, kGroup).error().text(), "the image has no user 'nobody' in /etc/passwd");
  EXPECT_EQ(find_account("web:x", kPasswd, kGroup).error().text(), "the image has no group 'x' in /etc/group");
  EXPECT_FALSE(find_account("huge", kPasswd, kGroup));
  EXPECT_FALSE(find_account("-1", kPasswd, kGroup));
  EXPECT_FALSE(find_account("4294967296", kPasswd, kGroup));
  EXPECT_EQ(find_account("", "", "")->uid, 0U);
}

TEST(Texts, AreWhatTheHostSays) {
  bundle::Bundle bundle;
  bundle.hostname = "web";
  EXPECT_EQ(hosts_text(bundle), "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 web\n");
  EXPECT_EQ(resolver_text(bundle), "");
  bundle.hosts = {{.address = "10.1.0.2", .names = "web web.example"}, {.address = "10.1.0.3", .names = "db"}};
  bundle.name_servers = {"9.9.9.9", "8.8.8.8"};
  bundle.search_domains = {"a.example", "b.example"};
  EXPECT_EQ(hosts_text(bundle),
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.1.0.2 web web.example\n10.1.0.3 db\n");
  EXPECT_EQ(resolver_text(bundle), "nameserver 9.9.9.9\nnameserver 8.8.8.8\nsearch a.example b.example\n");
}

TEST(Options, AreReadFromTheCommandLine) {
  const auto defaults = parse_options({});
  ASSERT_TRUE(defaults);
  EXPECT_EQ(defaults->bundle, "xvdb");
  EXPECT_EQ(defaults->channel, "hvc1");
  const std::array<const char*, 3> words{"bundle=vdb", "splash", "channel=hvc0"};
  const auto options = parse_options(words);
  ASSERT_TRUE(options);
  EXPECT_EQ(options->bundle, "vdb");
  EXPECT_EQ(options->channel, "hvc0");
  const std::array<const char*, 1> bad{"bundle=../sda"};
  EXPECT_FALSE(parse_options(bad));
}

}  // namespace
}  // namespace krata::init
