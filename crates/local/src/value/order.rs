//! The order of a large sorted set: scores and positions in blocks, so that ranks are counted by blocks.
//!
//! A position is an element's place in the set's table, where its member stands. Finding a score is a binary
//! search over the blocks and one within a block; a rank adds up the lengths of the blocks before it.

/// Most elements of a block.
const BLOCK_MAX: usize = 256;
/// Bytes of a full block.
const BLOCK_BYTES: usize = BLOCK_MAX * (size_of::<f64>() + size_of::<u32>()) + size_of::<Block>();

/// Elements next to each other.
#[derive(Debug, Clone, Default)]
struct Block {
    scores: Vec<f64>,
    positions: Vec<u32>,
}

/// The order of scores, then members.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    blocks: Vec<Block>,
}

/// A place in the order: its block, and the offset there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    block: usize,
    offset: usize,
}

impl Order {
    /// Bytes allocated, at most.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES + (self.blocks.capacity() - self.blocks.len()) * size_of::<Block>()
    }

    /// Upper bound of the bytes that `more` elements allocate.
    pub(super) fn growth(&self, more: usize) -> usize {
        let blocks = 1 + more;
        let row = if self.blocks.len() + blocks > self.blocks.capacity() {
            (self.blocks.capacity() + blocks + 4) * size_of::<Block>()
        } else {
            0
        };
        blocks.min(2 + 2 * more / BLOCK_MAX + usize::from(more < BLOCK_MAX)) * BLOCK_BYTES + row
    }

    /// The first spot whose element is not `before`; the elements before must be those in front.
    pub(super) fn partition(&self, before: impl Fn(f64, usize) -> bool) -> Spot {
        let is_before =
            |block: &Block, offset: usize| before(block.scores[offset], block.positions[offset] as usize);
        let at = self.blocks.partition_point(|block| is_before(block, block.scores.len() - 1));
        let Some(block) = self.blocks.get(at) else { return Spot { block: at, offset: 0 } };
        let (mut low, mut high) = (0, block.scores.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if is_before(block, middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Spot { block: at, offset: low }
    }

    /// Number of elements before a spot.
    pub(super) fn rank(&self, spot: Spot) -> usize {
        self.blocks.iter().take(spot.block).map(|block| block.scores.len()).sum::<usize>() + spot.offset
    }

    /// Adds an element at a spot.
    pub(super) fn insert(&mut self, spot: Spot, score: f64, position: usize) {
        let Spot { mut block, mut offset } = spot;
        if block == self.blocks.len() {
            // Behind all others: in the last block, unless that is full.
            match self.blocks.last() {
                Some(last) if last.scores.len() < BLOCK_MAX => {
                    block -= 1;
                    offset = last.scores.len();
                }
                _ => self.blocks.push(Block::default()),
            }
        }
        if self.blocks[block].scores.len() == BLOCK_MAX {
            let full = &mut self.blocks[block];
            let tail = Block {
                scores: full.scores.split_off(BLOCK_MAX / 2),
                positions: full.positions.split_off(BLOCK_MAX / 2),
            };
            self.blocks.insert(block + 1, tail);
            if offset > BLOCK_MAX / 2 {
                (block, offset) = (block + 1, offset - BLOCK_MAX / 2);
            }
        }
        let block = &mut self.blocks[block];
        block.scores.insert(offset, score);
        block.positions.insert(offset, position as u32);
    }

    /// Removes the element at a spot.
    pub(super) fn remove(&mut self, spot: Spot) {
        let block = &mut self.blocks[spot.block];
        block.scores.remove(spot.offset);
        block.positions.remove(spot.offset);
        let len = block.scores.len();
        if len == 0 {
            self.blocks.remove(spot.block);
        } else if let Some(next) = self.blocks.get(spot.block + 1)
            && len + next.scores.len() <= BLOCK_MAX / 2
        {
            let next = self.blocks.remove(spot.block + 1);
            let block = &mut self.blocks[spot.block];
            block.scores.extend(next.scores);
            block.positions.extend(next.positions);
        }
        if self.blocks.capacity() > 64 && self.blocks.len() * 4 < self.blocks.capacity() {
            self.blocks.shrink_to(self.blocks.len() * 2);
        }
    }

    /// Notes that the element at a spot has another position.
    pub(super) fn relocate(&mut self, spot: Spot, position: usize) {
        self.blocks[spot.block].positions[spot.offset] = position as u32;
    }

    /// The positions of a range of ranks.
    pub(super) fn range(&self, range: std::ops::Range<usize>) -> impl DoubleEndedIterator<Item = usize> {
        let start = self.spot(range.start);
        let end = self.spot(range.end.max(range.start));
        let last = (end.block + 1).min(self.blocks.len()).max(start.block);
        let blocks = self.blocks.get(start.block..last).unwrap_or_default();
        blocks
            .iter()
            .enumerate()
            .flat_map(move |(i, block)| {
                let at = start.block + i;
                let from = if at == start.block { start.offset } else { 0 };
                let to = if at == end.block { end.offset } else { block.positions.len() };
                block.positions.get(from..to).unwrap_or_default().iter()
            })
            .map(|position| *position as usize)
    }

    fn spot(&self, rank: usize) -> Spot {
        let mut left = rank;
        for (at, block) in self.blocks.iter().enumerate() {
            if left < block.scores.len() {
                return Spot { block: at, offset: left };
            }
            left -= block.scores.len();
        }
        Spot { block: self.blocks.len(), offset: 0 }
    }
}
