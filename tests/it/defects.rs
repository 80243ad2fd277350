//! What other uploaders get wrong, number by number, and what this one promises instead.
//!
//! The numbers are those of a survey of other uploaders' sources. A test's name starts with the number and goes on
//! with our promise; its comment says in a sentence what goes wrong elsewhere. Several of them meet a rule of resuming
//! that `resume` holds too: there the rule is tested, here the way in which others broke it.
//!
//! What has no test here:
//!
//! | number | slip | why not |
//! |---|---|---|
//! | D4 | a checksum of the file that is never computed | the record has no such field; its identity fields are in `resume` |
//! | D8 | the state's default place is the shared temporary folder | there is no default place |
//! | D15 | a 32-bit hash of the object graph as integrity value | every frame has a CRC-32: `checkpoint::scan` flips every bit |
//! | D15 | a result of skipping bytes is ignored | reads are positional, nothing is skipped |
//! | D22 | a token of counts without bucket, key and mtime | the record has them: D2, D16, D18 |
//! | D25 | runs on Unix only | a matter of building for other systems, not of a test on this one |
//! | D25 | whole parts in memory | a matter of measuring: a test sees only the bytes |
//! | D27 | a timer marks the token fresh | no timer: the provider is asked for every request |

mod c_family;
pub(crate) mod cancel_and_tokens;
pub(crate) mod child;
mod common;
mod go_v1;
mod go_v2;
mod java;
mod others;
mod python;
