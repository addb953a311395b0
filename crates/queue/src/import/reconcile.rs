//! The consistency of a disk queue's meta file with its data files.
//!
//! Data files may extend past the meta file's positions. They fall short of them only if the disk lost data
//! or files were moved by hand. Existing data is then never skipped silently: if the read position is past
//! the end of its file, reading starts at that file's beginning; if no data file reaches it, at the first
//! file.

use super::meta::{Meta, Place};
use super::queue::QueueFiles;

impl QueueFiles {
    /// Compares the meta file with the data files, and corrects a read position from which nothing could be
    /// read. Returns warnings for the operator about the queue called `name`.
    pub(super) fn reconcile(&mut self, name: &str) -> Vec<String> {
        let Some(meta) = self.says else { return Vec::new() };
        let Meta { depth, read, write } = meta;
        if let Some((_, file, bytes)) = self.data.iter().find(|(number, ..)| *number == read.file)
            && read.offset > *bytes
        {
            self.position = Some(Place { file: read.file, offset: 0 });
            return vec![format!(
                "{name}: its meta file says that reading stood at byte {} of {file}, which has {bytes}: that file is \
                 read from the beginning, and messages may come again",
                read.offset
            )];
        }
        let last = self.data.last().map(|(number, ..)| *number);
        if last.is_none_or(|last| last < read.file) && meta.unread() {
            self.position = None;
            let what = match last {
                None => "no data file is there",
                Some(_) => "only files before it are there: they are read, and messages may come again",
            };
            return vec![format!(
                "{name}: its meta file says that {depth} messages are unread from file {} on; {what}",
                read.file
            )];
        }
        self.passed_over(name, read).into_iter().chain(self.lost(name, read, write)).collect()
    }

    /// Warning about existing files before the meta file's read position.
    fn passed_over(&self, name: &str, read: Place) -> Option<String> {
        let count = self.data.iter().filter(|(number, ..)| *number < read.file).count();
        (count > 0).then(|| {
            format!(
                "{name}: its meta file says that reading stood in file {}: {count} before it not read",
                read.file
            )
        })
    }

    /// Warning about data written according to the meta file, but missing.
    fn lost(&self, name: &str, read: Place, write: Place) -> Option<String> {
        let between = self.data.iter().filter(|(number, ..)| *number > read.file && *number < write.file);
        let missing = write.file.saturating_sub(read.file).saturating_sub(1) - between.count() as u64;
        if missing > 0 {
            return Some(format!(
                "{name}: {missing} of its data files are not there: what was in them is lost"
            ));
        }
        let bytes =
            self.data.iter().find(|(number, ..)| *number == write.file).map_or(0, |(.., bytes)| *bytes);
        (bytes < write.offset && write != read).then(|| {
            format!(
                "{name}: its meta file says that {} bytes were written to file {}, which has {bytes}: the rest is lost",
                write.offset, write.file
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of data files (100 bytes each), content of the meta file, position to read from, and a word of
    /// each warning.
    type Case<'a> = (&'a [u64], &'a str, Option<(u64, u64)>, &'a [&'a str]);

    #[test]
    fn what_the_files_do_not_bear_out() {
        let huge = format!("1\n0,0\n{},5\n", u64::MAX);
        let far = format!("1\n{0},{0}\n{0},{0}\n", u64::MAX);
        let cases: &[Case<'_>] = &[
            (&[0], "2\n0,40\n0,100\n", Some((0, 40)), &[]),
            (&[0], "0\n0,100\n0,100\n", Some((0, 100)), &[]),
            (&[0, 1], "3\n0,40\n2,0\n", Some((0, 40)), &[]),
            (&[2], "1\n1,80\n2,100\n", Some((1, 80)), &[]),
            (&[], "0\n3,0\n3,0\n", Some((3, 0)), &[]),
            (&[0], "-2\n0,40\n0,80\n", Some((0, 40)), &[]),
            (&[0], "9\n0,101\n0,400\n", Some((0, 0)), &["byte 101 of f0, which has 100"]),
            (&[0], "0\n0,400\n0,400\n", Some((0, 0)), &["byte 400 of f0, which has 100"]),
            (&[0, 1], "3\n7,40\n7,80\n", None, &["3 messages are unread from file 7 on; only files before"]),
            (&[0, 1], "5\n7,40\n7,40\n", None, &["only files before"]),
            (&[], "5\n0,0\n0,200\n", None, &["no data file is there"]),
            (&[0, 1], "0\n7,0\n7,0\n", Some((7, 0)), &["file 7: 2 before it not read"]),
            (&[0, 1], "1\n1,0\n1,100\n", Some((1, 0)), &["file 1: 1 before it not read"]),
            (&[0], "5\n0,0\n0,200\n", Some((0, 0)), &["200 bytes were written to file 0, which has 100"]),
            (&[0, 1], "5\n0,0\n2,20\n", Some((0, 0)), &["20 bytes were written to file 2, which has 0"]),
            (&[0, 4], "5\n0,0\n4,20\n", Some((0, 0)), &["3 of its data files are not there"]),
            (&[0], &huge, Some((0, 0)), &["of its data files are not there"]),
            (&[0], &far, None, &["only files before"]),
        ];
        for (numbers, text, from, warnings) in cases {
            let meta = Meta::parse(text.as_bytes()).unwrap();
            let mut queue = QueueFiles {
                data: numbers.iter().map(|number| (*number, format!("f{number}"), 100)).collect(),
                says: Some(meta),
                position: Some(meta.read),
                ..QueueFiles::default()
            };
            let told = queue.reconcile("t:c");
            assert_eq!(queue.position.map(|at| (at.file, at.offset)), *from, "{text:?} over {numbers:?}");
            assert_eq!(told.len(), warnings.len(), "{text:?} over {numbers:?}: {told:?}");
            for (line, word) in told.iter().zip(*warnings) {
                assert!(
                    line.starts_with("t:c: ") && line.contains(word),
                    "{text:?} over {numbers:?}: {line}"
                );
            }
        }
    }
}
