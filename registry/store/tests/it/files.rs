use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::symlink;
use std::path::Path;

use poai_store::unixfs::{
    EntryKind, ExportLimits, FileReader, FileWriter, FolderWriter, ImportLimits, LayoutLimits, Node, Written, export,
    import, leaf_file, open, resolve,
};
use poai_store::{Blocks, DAG_PB, MemoryBlocks, StoreError, Verified};
use proptest::prelude::*;

use crate::{fresh, noise};

fn write(blocks: &dyn Blocks, bytes: &[u8]) -> Written {
    let mut writer = FileWriter::new(blocks, &blocks.in_use());
    writer.append(bytes).unwrap();
    writer.finish().unwrap()
}

fn read(blocks: &dyn Blocks, cid: &cid::Cid) -> Vec<u8> {
    let mut bytes = Vec::new();
    FileReader::open(blocks, cid, &LayoutLimits::default()).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn message(fields: &[u8]) -> Vec<u8> {
    [&[0x0a, u8::try_from(fields.len()).unwrap()], fields].concat()
}

/// A link in dag-pb's bytes.
fn link(cid: &cid::Cid, name: &str) -> Vec<u8> {
    let cid = cid.to_bytes();
    let length = |bytes: usize| u8::try_from(bytes).unwrap();
    let inner =
        [&[0x0a, length(cid.len())], &cid[..], &[0x12, length(name.len())], name.as_bytes(), &[0x18, 1]].concat();
    [&[0x12, length(inner.len())], &inner[..]].concat()
}

fn put(blocks: &dyn Blocks, bytes: Vec<u8>) -> cid::Cid {
    let block = Verified::of(DAG_PB, bytes).unwrap();
    blocks.put(&block).unwrap();
    *block.cid()
}

#[test]
fn the_limits_are_these() {
    let layout = LayoutLimits { chunks: 262_144, depth: 16, entries: 262_144 };
    assert_eq!(LayoutLimits::default(), layout);
    assert_eq!(ImportLimits::default(), ImportLimits { bytes: 1 << 40, entries: 1 << 20, depth: 128 });
    assert_eq!(ExportLimits::default(), ExportLimits { bytes: 1 << 40, entries: 1 << 20, depth: 128, layout });
}

#[test]
fn well_known_files_and_folders_have_their_cids() {
    let blocks = MemoryBlocks::new();
    assert_eq!(write(&blocks, b"").cid.to_string(), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    assert_eq!(
        write(&blocks, b"hello world").cid.to_string(),
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
    );
    let empty = FolderWriter::new().finish(&blocks, &blocks.in_use()).unwrap();
    assert_eq!(empty.cid.to_string(), "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
}

#[test]
fn files_of_every_length_come_back() {
    const CHUNK: usize = 1 << 20;
    for (length, chunks) in
        [(0, 0), (1, 1), (CHUNK - 1, 1), (CHUNK, 1), (CHUNK + 1, 2), (3 * CHUNK, 3), (3 * CHUNK + 5, 4)]
    {
        let blocks = MemoryBlocks::new();
        let bytes = noise(7, length);
        let mut writer = FileWriter::new(&blocks, &blocks.in_use());
        bytes.chunks(300_001).for_each(|part| writer.append(part).unwrap());
        let written = writer.finish().unwrap();
        assert_eq!(written, write(&blocks, &bytes), "however it is cut, {length}");
        assert_eq!(written.size_bytes, length as u64);
        assert!(read(&blocks, &written.cid) == bytes, "{length}");
        let Node::File(layout) = open(&blocks, &written.cid, &LayoutLimits::default()).unwrap() else {
            panic!("a file")
        };
        assert_eq!((layout.chunks.len(), layout.size_bytes), (chunks, length as u64));
        let mut reader = FileReader::open(&blocks, &written.cid, &LayoutLimits::default()).unwrap();
        let mut buffer = [0; 100];
        for offset in [0, length / 2, length.saturating_sub(50), length, length + 1] {
            let found = reader.read_at(offset as u64, &mut buffer).unwrap();
            assert_eq!(&buffer[..found], &bytes[offset.min(length)..(offset + 100).min(length)]);
        }
        assert_eq!(reader.seek(SeekFrom::End(0)).unwrap(), length as u64);
    }
}

/// 1,025 leaves: one more than a node may link to, so that the tree has three levels, and the lone last
/// leaf has a parent of its own, as deep as all others.
#[test]
fn a_file_of_more_than_a_node_is_a_balanced_tree() {
    let blocks = MemoryBlocks::new();
    let mut writer = FileWriter::new(&blocks, &blocks.in_use());
    let chunk = vec![7; 1 << 20];
    (0..1_024).for_each(|_| writer.append(&chunk).unwrap());
    writer.append(b"end").unwrap();
    let written = writer.finish().unwrap();
    assert_eq!(blocks.count(), 2 + 2 + 1, "leaves repeat");
    let root = poai_store::links(&written.cid, blocks.need(&written.cid).unwrap().bytes()).unwrap();
    assert_eq!(root.len(), 2);
    assert_eq!(poai_store::links(&root[1], blocks.need(&root[1]).unwrap().bytes()).unwrap().len(), 1);
    let mut reader = FileReader::open(&blocks, &written.cid, &LayoutLimits::default()).unwrap();
    let mut buffer = [0; 5];
    assert_eq!(reader.read_at((1 << 30) - 2, &mut buffer).unwrap(), 5);
    assert_eq!(&buffer, b"\x07\x07end");
    let few = LayoutLimits { chunks: 1_024, ..LayoutLimits::default() };
    assert!(matches!(open(&blocks, &written.cid, &few), Err(StoreError::Limit { name: "chunks", .. })));
    let flat = LayoutLimits { depth: 0, ..LayoutLimits::default() };
    assert!(matches!(open(&blocks, &written.cid, &flat), Err(StoreError::Limit { name: "depth", .. })));
}

#[test]
fn wrapped_leaves_are_read_and_say_where_their_payload_lies() {
    let (_dir, store) = fresh();
    let leaf = put(&store, message(&[0x08, 2, 0x12, 2, b'h', b'i', 0x18, 2]));
    let mut file = leaf_file(&store, &leaf).unwrap();
    assert_eq!((file.offset, file.bytes), (6, 2));
    file.file.seek(SeekFrom::Start(6)).unwrap();
    let mut bytes = [0; 2];
    file.file.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hi");
    // As older writers have it: data of its own before its children's.
    let raw = write(&store, b"!");
    let parent =
        put(&store, [link(&leaf, ""), link(&raw.cid, ""), message(&[0x08, 2, 0x18, 3, 0x20, 2, 0x20, 1])].concat());
    assert_eq!(read(&store, &parent), b"hi!");
}

#[test]
fn malformed_nodes_are_named() {
    let blocks = MemoryBlocks::new();
    let leaf = write(&blocks, b"x").cid;
    let empty_file = put(&blocks, message(&[0x08, 2]));
    let folder = put(&blocks, message(&[0x08, 1]));
    for (bytes, reason) in [
        (vec![], "it is a bare dag-pb node, not a file or folder"),
        (vec![0x0a], "a number cannot be read: not enough input bytes"),
        (vec![0x0a, 5, 1], "it ends inside a field"),
        (vec![0x0d, 0, 0, 0, 0], "it has a field of wire type 5"),
        (vec![0x1a, 0], "a node has no field 3 of this type"),
        (vec![0x12, 0], "a link has no CID"),
        (message(&[]), "its UnixFS message has no type"),
        (message(&[0x08, 3]), "UnixFS has no nodes of type 3"),
        (message(&[0x08, 2, 0x18, 5]), "it says 5 bytes and its parts are 0"),
        ([link(&leaf, ""), message(&[0x08, 2])].concat(), "it has 1 links and the lengths of 0"),
        ([link(&empty_file, ""), message(&[0x08, 2, 0x20, 0])].concat(), "it has an empty child"),
        ([link(&leaf, "a"), link(&leaf, "a"), message(&[0x08, 1])].concat(), "it has the name \"a\" twice"),
        (message(&[0x08, 5]), "a shard is of an unknown hash function"),
        (message(&[0x08, 5, 0x28, 0x22, 0x30, 7]), "a shard's fanout is no power of two from 8 to 1,024"),
        (
            [link(&leaf, "0"), message(&[0x08, 5, 0x28, 0x22, 0x30, 16])].concat(),
            "it is no shard, but its parent says so",
        ),
        ([link(&folder, ""), message(&[0x08, 2, 0x20, 4])].concat(), "is a folder, not a file"),
    ] {
        let cid = put(&blocks, bytes);
        let error = open(&blocks, &cid, &LayoutLimits::default()).unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}: {reason}");
    }
}

#[test]
fn a_leaf_that_is_not_as_long_as_its_parent_says_is_named_when_it_is_read() {
    let blocks = MemoryBlocks::new();
    let leaf = write(&blocks, b"x").cid;
    let parent = put(&blocks, [link(&leaf, ""), message(&[0x08, 2, 0x18, 2, 0x20, 2])].concat());
    let mut reader = FileReader::open(&blocks, &parent, &LayoutLimits::default()).unwrap();
    let error = reader.read_at(0, &mut [0; 2]).unwrap_err();
    assert!(matches!(&error, StoreError::Malformed { cid, .. } if *cid == leaf), "{error}");
}

#[test]
fn large_folders_are_spread_over_shards_and_read_back() {
    let blocks = MemoryBlocks::new();
    let mut folder = FolderWriter::new();
    let file = write(&blocks, b"x");
    let mut names: Vec<String> = (0..6_000).map(|number| format!("file number {number}")).collect();
    names.iter().for_each(|name| folder.add(name, file).unwrap());
    let root = folder.finish(&blocks, &blocks.in_use()).unwrap();
    let Node::Folder(entries) = open(&blocks, &root.cid, &LayoutLimits::default()).unwrap() else { panic!("a folder") };
    names.sort();
    assert!(entries.iter().map(|entry| &entry.name).eq(&names));
    assert!(
        entries.iter().all(|entry| entry.cid == file.cid && entry.kind == EntryKind::File && entry.size_bytes == 1)
    );
    assert!(blocks.count() > 200);
    let few = LayoutLimits { entries: 5_999, ..LayoutLimits::default() };
    assert!(matches!(open(&blocks, &root.cid, &few), Err(StoreError::Limit { name: "entries", .. })));
    assert_eq!(resolve(&blocks, &root.cid, "file number 17", &LayoutLimits::default()).unwrap(), file.cid);
    assert!(resolve(&blocks, &root.cid, "file", &LayoutLimits::default()).is_err());
}

#[test]
fn names_that_would_leave_their_folder_are_refused_on_every_way() {
    let blocks = MemoryBlocks::new();
    let leaf = write(&blocks, b"x");
    for (name, reason) in [
        ("", "empty"),
        (".", "`.` or `..`"),
        ("..", "`.` or `..`"),
        ("/etc/passwd", "a `/`"),
        ("a/../../b", "a `/`"),
        ("a\u{1b}[2J", "control"),
        ("a\0b", "control"),
        ("a\nb", "control"),
    ] {
        let error = FolderWriter::new().add(name, leaf).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains(char::is_control), "{error:?}");
        let hostile = put(&blocks, [link(&leaf.cid, name), message(&[0x08, 1])].concat());
        let dir = tempfile::tempdir().unwrap();
        let error = export(&blocks, &hostile, &dir.path().join("out"), &ExportLimits::default()).unwrap_err();
        assert!(matches!(error, StoreError::RefusedPath { .. }), "{name:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    }
    assert!(FolderWriter::new().add(&"x".repeat(256), leaf).is_err());
    let mut twice = FolderWriter::new();
    twice.add("a", leaf).unwrap();
    twice.add("a", leaf).unwrap();
    assert!(matches!(twice.finish(&blocks, &blocks.in_use()), Err(StoreError::RefusedPath { .. })));
}

#[test]
fn exports_are_bounded_and_never_overwrite() {
    let blocks = MemoryBlocks::new();
    let leaf = write(&blocks, b"0123456789");
    let mut folder = FolderWriter::new();
    folder.add("a", leaf).unwrap();
    folder.add("b", leaf).unwrap();
    let inner = folder.finish(&blocks, &blocks.in_use()).unwrap();
    let mut folder = FolderWriter::new();
    folder.add("inner", inner).unwrap();
    let root = folder.finish(&blocks, &blocks.in_use()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    for (limits, name) in [
        (ExportLimits { bytes: 19, ..ExportLimits::default() }, "bytes"),
        (ExportLimits { entries: 3, ..ExportLimits::default() }, "entries"),
        (ExportLimits { depth: 1, ..ExportLimits::default() }, "depth"),
    ] {
        let error = export(&blocks, &root.cid, &out, &limits).unwrap_err();
        assert!(matches!(&error, StoreError::Limit { name: other, .. } if *other == name), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    let exact = ExportLimits { bytes: 20, entries: 4, depth: 2, ..ExportLimits::default() };
    let done = export(&blocks, &root.cid, &out, &exact).unwrap();
    assert_eq!((done.files, done.folders, done.bytes), (2, 2, 20));
    let error = export(&blocks, &leaf.cid, &out, &exact).unwrap_err();
    assert!(error.to_string().ends_with("it exists"), "{error}");
    symlink("elsewhere", dir.path().join("dangling")).unwrap();
    assert!(export(&blocks, &leaf.cid, &dir.path().join("dangling"), &exact).is_err());
    let symlink_node = put(&blocks, message(&[0x08, 4, 0x12, 2, b'.', b'.']));
    let with_symlink = put(&blocks, [link(&symlink_node, "up"), message(&[0x08, 1])].concat());
    assert!(matches!(
        export(&blocks, &with_symlink, &dir.path().join("s"), &exact),
        Err(StoreError::RefusedPath { .. })
    ));
    assert!(matches!(
        export(&blocks, &symlink_node, &dir.path().join("s"), &exact),
        Err(StoreError::RefusedPath { .. })
    ));
}

#[test]
fn what_is_no_file_or_folder_is_not_imported() {
    let blocks = MemoryBlocks::new();
    let import = |path: &Path| import(&blocks, path, &ImportLimits::default(), &blocks.in_use());
    let dir = tempfile::tempdir().unwrap();
    symlink("/etc/passwd", dir.path().join("way out")).unwrap();
    assert!(import(dir.path()).unwrap_err().to_string().contains("symbolic link"));
    let dir = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    assert!(import(dir.path()).unwrap_err().to_string().contains("neither a file nor a folder"));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a\nb"), "").unwrap();
    assert!(import(dir.path()).unwrap_err().to_string().contains("control characters"));
    assert!(import(&dir.path().join("absent")).is_err());
    let few = ImportLimits { bytes: 3, ..ImportLimits::default() };
    fs::write(dir.path().join("four"), "four").unwrap();
    let error = poai_store::unixfs::import(&blocks, &dir.path().join("four"), &few, &blocks.in_use()).unwrap_err();
    assert!(matches!(error, StoreError::Limit { name: "bytes", .. }));
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tree {
    File(Vec<u8>),
    Folder(std::collections::BTreeMap<String, Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let file = prop::collection::vec(any::<u8>(), 0..300).prop_map(Tree::File);
    file.prop_recursive(4, 24, 6, |inner| {
        prop::collection::btree_map(
            "[a-zA-Z0-9 ._éß-]{1,12}".prop_filter("a name", |name| !matches!(name.as_str(), "." | "..")),
            inner,
            0..6,
        )
        .prop_map(Tree::Folder)
    })
}

fn write_tree(tree: &Tree, path: &Path) {
    match tree {
        Tree::File(bytes) => fs::write(path, bytes).unwrap(),
        Tree::Folder(entries) => {
            fs::create_dir(path).unwrap();
            entries.iter().for_each(|(name, tree)| write_tree(tree, &path.join(name)));
        }
    }
}

fn read_tree(path: &Path) -> Tree {
    if path.is_file() {
        return Tree::File(fs::read(path).unwrap());
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    Tree::Folder(entries.map(|entry| (entry.file_name().into_string().unwrap(), read_tree(&entry.path()))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Export after import is the identity, and import after that gives the same CID.
    #[test]
    fn import_and_export_are_inverse(tree in tree()) {
        let blocks = MemoryBlocks::new();
        let dir = tempfile::tempdir().unwrap();
        write_tree(&tree, &dir.path().join("in"));
        let imported = import(&blocks, &dir.path().join("in"), &ImportLimits::default(), &blocks.in_use()).unwrap();
        export(&blocks, &imported.written.cid, &dir.path().join("out"), &ExportLimits::default()).unwrap();
        prop_assert_eq!(&read_tree(&dir.path().join("out")), &tree);
        let again = import(&blocks, &dir.path().join("out"), &ImportLimits::default(), &blocks.in_use()).unwrap();
        prop_assert_eq!(again, imported);
    }
}
