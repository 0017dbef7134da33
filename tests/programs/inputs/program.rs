// Rust: four threads of hash maps, trees and strings.
use std::collections::{BTreeMap, HashMap};

fn work(n: u64) -> u64 {
	let (mut seed, mut words, mut tree) = (n + 1, HashMap::new(), BTreeMap::new());
	for i in 0..40000u64 {
		seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
		words.entry(seed >> 52).or_insert_with(Vec::new).push(format!("{i}"));
		tree.insert(seed, vec![i; (seed >> 60) as usize]);
	}
	words.values().map(|v| v.join("").len() as u64).sum::<u64>() + tree.values().map(|v| v.len() as u64).sum::<u64>()
}

fn main() {
	let threads: Vec<_> = (0..4u64).map(|n| std::thread::spawn(move || work(n))).collect();
	for t in threads {
		println!("{}", t.join().unwrap());
	}
}
