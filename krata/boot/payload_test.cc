#include "krata/boot/payload.h"

#include <gtest/gtest.h>
#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <functional>
#include <random>

namespace krata::boot {

namespace {

std::string word(std::uint32_t value) { return {reinterpret_cast<const char*>(&value), sizeof(value)}; }

// Some of it repeats, some does not; more than two of lz4's blocks.
std::string sample(std::size_t bytes) {
  std::mt19937 random(3);
  std::string text(
      "\x7f"
      "ELF");
  while (text.size() < bytes) {
    text += random() % 3 == 0 ? std::string(1000, static_cast<char>(random())) : std::to_string(random());
  }
  text.resize(bytes);
  return text;
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 1, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}
std::string xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t at = 0;
  lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                          reinterpret_cast<std::uint8_t*>(out.data()), &at, out.size());
  out.resize(at);
  return out;
}
std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}
std::string lz4(const std::string& text) {
  std::string out(LZ4F_compressFrameBound(text.size(), nullptr), '\0');
  out.resize(LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), nullptr));
  return out;
}
std::string lz4_legacy(const std::string& text) {
  std::string out = word(0x184c2102);
  for (std::size_t at = 0; at < text.size(); at += 8 << 20) {
    const std::string block = text.substr(at, 8 << 20);
    std::string packed(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(block.size()))), '\0');
    const int bytes = LZ4_compress_default(block.data(), packed.data(), static_cast<int>(block.size()),
                                           static_cast<int>(packed.size()));
    out += word(static_cast<std::uint32_t>(bytes));
    out += packed.substr(0, static_cast<std::size_t>(bytes));
  }
  return out;
}

const std::vector<std::pair<std::string, std::function<std::string(const std::string&)>>> kPackers{
    {"gzip", gzip}, {"xz", xz}, {"zstd", zstd}, {"lz4", lz4}, {"lz4 legacy", lz4_legacy}};

// With the payload in the second sector behind the set-up code, as the boot protocol has it.
std::string bz_image(const std::string& payload, std::size_t setup_sectors = 1) {
  std::string image(512 * (setup_sectors + 2), '\0');
  image[0x1f1] = static_cast<char>(setup_sectors);
  image.replace(0x202, 4, "HdrS");
  image.replace(0x206, 2, std::string("\x0f\x02", 2));
  image.replace(0x248, 4, word(512));
  image.replace(0x24c, 4, word(static_cast<std::uint32_t>(payload.size())));
  return image + payload + "what follows";
}

}  // namespace

TEST(Payload, UnpacksEachFormat) {
  const std::string text = sample(18 << 20);
  for (const auto& [name, pack] : kPackers) {
    const std::string packed = pack(text);
    EXPECT_TRUE(is_compressed(packed)) << name;
    const auto unpacked = decompress(packed);
    ASSERT_TRUE(unpacked) << name << ": " << unpacked.error().text();
    EXPECT_TRUE(*unpacked == text) << name;
  }
}

TEST(Payload, TheSizeBehindIsLeftAlone) {
  const std::string text = sample(100'000);
  for (const auto& [name, pack] : kPackers) {
    const auto elf = kernel_elf(bz_image(pack(text) + word(100'000)));
    ASSERT_TRUE(elf) << name << ": " << elf.error().text();
    EXPECT_TRUE(*elf == text) << name;
  }
}

// Documentation/arch/x86/boot.rst of Linux, setup_sects.
TEST(Payload, NoSectorsOfSetUpCodeAreFour) {
  std::string image = bz_image(sample(1000), 4);
  image[0x1f1] = 0;
  EXPECT_EQ(*kernel_elf(image), sample(1000));
}

TEST(Payload, AnElfFileIsTakenAsItIs) {
  const std::string text = sample(1000);
  EXPECT_EQ(*kernel_elf(text), text);
  EXPECT_EQ(*kernel_elf(bz_image(text)), text);
  EXPECT_EQ(*kernel_elf(xz(text)), text);
}

TEST(Payload, WhatIsTooLargeIsNotUnpacked) {
  const std::string text = sample(3 << 20);
  for (const auto& [name, pack] : kPackers) {
    const auto refused = decompress(pack(text), 2 << 20);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), common::ErrorCode::limit) << name;
    EXPECT_TRUE(decompress(pack(text), 3 << 20)) << name << ": exactly as much as is allowed";
  }
}

TEST(Payload, DamageAndTooEarlyAnEndAreRefused) {
  const std::string text = sample(300'000);
  for (const auto& [name, pack] : kPackers) {
    const std::string packed = pack(text);
    for (const std::size_t bytes : {std::size_t{7}, packed.size() / 2, packed.size() - 5}) {
      const auto cut = decompress(packed.substr(0, bytes));
      EXPECT_FALSE(cut) << name << " of " << bytes << " bytes";
    }
  }
}

TEST(Payload, WhatIsNoKernelIsRefusedWithTheReason) {
  const auto why = [](std::string image) { return kernel_elf(std::move(image)).error().text(); };
  EXPECT_NE(why("#!/bin/sh\n").find("no Linux kernel"), std::string::npos);
  EXPECT_NE(why("").find("no Linux kernel"), std::string::npos);
  EXPECT_NE(why(gzip("text")).find("no Linux kernel"), std::string::npos);
  std::string old = bz_image("x");
  old.replace(0x206, 2, std::string("\x07\x02", 2));
  EXPECT_NE(why(old).find("2.07"), std::string::npos);
  std::string cut = bz_image("x");
  cut.replace(0x24c, 4, word(0xffff'ffff));
  EXPECT_NE(why(cut).find("cut off"), std::string::npos);
  std::string beyond = bz_image("x");
  beyond.replace(0x248, 4, word(0xffff'ffff));
  EXPECT_NE(why(beyond).find("cut off"), std::string::npos);
}

}  // namespace krata::boot
