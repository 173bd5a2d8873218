;; MurmurHash3 x64 128 (Austin Appleby, public domain), for many rows in one call.
;; JavaScript has no fast 64-bit multiplication; this has. `npm test` holds row-mixer.ts equal to this text.
;;
;; Memory: 16 bytes of sum at address 0; the rest belongs to the caller (row-hasher.ts).
(module
  (memory (export "memory") 5)

  ;; Mixes `size` bytes at `at` into both halves, 16 at a time; the last block counts as filled up with
  ;; zeros. Reads up to 15 bytes behind the end.
  (func $absorb (export "absorb")
    (param $low i64) (param $high i64) (param $at i32) (param $size i32) (result i64 i64)
    (local $a i64) (local $b i64) (local $mask i64)
    (block $done
      (br_if $done (i32.eqz (local.get $size)))
      (loop $next
        (local.set $a (i64.load align=1 (local.get $at)))
        (local.set $b (i64.load offset=8 align=1 (local.get $at)))
        (if (i32.lt_u (local.get $size) (i32.const 16))
          (then
            (local.set $mask
              (i64.sub
                (i64.shl (i64.const 1) (i64.extend_i32_u (i32.shl (local.get $size) (i32.const 3))))
                (i64.const 1)))
            (if (i32.lt_u (local.get $size) (i32.const 8))
              (then
                (local.set $a (i64.and (local.get $a) (local.get $mask)))
                (local.set $b (i64.const 0)))
              (else
                (local.set $b (i64.and (local.get $b) (local.get $mask)))))
            (local.set $size (i32.const 16))))
        (local.set $low
          (i64.xor (local.get $low)
            (i64.mul
              (i64.rotl (i64.mul (local.get $a) (i64.const 0x87c37b91114253d5)) (i64.const 31))
              (i64.const 0x4cf5ad432745937f))))
        (local.set $low
          (i64.add
            (i64.mul
              (i64.add (i64.rotl (local.get $low) (i64.const 27)) (local.get $high))
              (i64.const 5))
            (i64.const 0x52dce729)))
        (local.set $high
          (i64.xor (local.get $high)
            (i64.mul
              (i64.rotl (i64.mul (local.get $b) (i64.const 0x4cf5ad432745937f)) (i64.const 33))
              (i64.const 0x87c37b91114253d5))))
        (local.set $high
          (i64.add
            (i64.mul
              (i64.add (i64.rotl (local.get $high) (i64.const 31)) (local.get $low))
              (i64.const 5))
            (i64.const 0x38495ab5)))
        (local.set $at (i32.add (local.get $at) (i32.const 16)))
        (br_if $next (local.tee $size (i32.sub (local.get $size) (i32.const 16))))))
    (local.get $low)
    (local.get $high))

  (func $finish_half (param $half i64) (result i64)
    (local.set $half
      (i64.mul
        (i64.xor (local.get $half) (i64.shr_u (local.get $half) (i64.const 33)))
        (i64.const 0xff51afd7ed558ccd)))
    (local.set $half
      (i64.mul
        (i64.xor (local.get $half) (i64.shr_u (local.get $half) (i64.const 33)))
        (i64.const 0xc4ceb9fe1a85ec53)))
    (i64.xor (local.get $half) (i64.shr_u (local.get $half) (i64.const 33))))

  ;; Ends one hash of `total` bytes and adds it to the sum.
  (func $finish (export "finish") (param $low i64) (param $high i64) (param $total i64)
    (local $sum i64)
    (local.set $low (i64.xor (local.get $low) (local.get $total)))
    (local.set $high (i64.xor (local.get $high) (local.get $total)))
    (local.set $low (i64.add (local.get $low) (local.get $high)))
    (local.set $high (i64.add (local.get $high) (local.get $low)))
    (local.set $low (call $finish_half (local.get $low)))
    (local.set $high (call $finish_half (local.get $high)))
    (local.set $low (i64.add (local.get $low) (local.get $high)))
    (local.set $high (i64.add (local.get $high) (local.get $low)))
    (local.set $sum (i64.add (i64.load (i32.const 0)) (local.get $low)))
    (i64.store (i32.const 8)
      (i64.add
        (i64.add (i64.load (i32.const 8)) (local.get $high))
        (i64.extend_i32_u (i64.lt_u (local.get $sum) (local.get $low)))))
    (i64.store (i32.const 0) (local.get $sum)))

  ;; Adds the hashes of `count` rows to the sum. At `records` each row has: bytes of texts (u32), bytes of
  ;; words (u32), and its words, filled up with zeros to a multiple of 16. At `texts` are the texts of all rows.
  (func (export "add")
    (param $count i32) (param $seed i32) (param $records i32) (param $texts i32)
    (local $low i64) (local $high i64) (local $text_size i32) (local $word_size i32)
    (block $done
      (br_if $done (i32.eqz (local.get $count)))
      (loop $next
        (local.set $text_size (i32.load (local.get $records)))
        (local.set $word_size (i32.load offset=4 (local.get $records)))
        (call $absorb
          (i64.extend_i32_u (local.get $seed)) (i64.extend_i32_u (local.get $seed))
          (local.get $texts) (local.get $text_size))
        (local.set $high)
        (local.set $low)
        (local.set $records (i32.add (local.get $records) (i32.const 8)))
        (call $absorb
          (local.get $low) (local.get $high) (local.get $records) (local.get $word_size))
        (local.set $high)
        (local.set $low)
        (call $finish
          (local.get $low) (local.get $high)
          (i64.extend_i32_u
            (i32.add
              (i32.and (i32.add (local.get $text_size) (i32.const 15)) (i32.const -16))
              (local.get $word_size))))
        (local.set $texts (i32.add (local.get $texts) (local.get $text_size)))
        (local.set $records (i32.add (local.get $records) (local.get $word_size)))
        (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))))
