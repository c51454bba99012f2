//! What becomes of intents that a process left behind, over both backends of metadata.

use store::faulty::FaultyDisk;
use store::{MemoryKeys, MemoryManifest, Options};

use super::*;
use crate::keyring::Keyring;
use crate::records::Scope;

const NOW_MS: i64 = 1_700_000_000_000;

struct Life {
    meta: Meta,
    store: Arc<Store>,
    group: GroupRecord,
}

/// On a thread of its own: what blocks may not run where the tests wait.
fn outside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// The metadata, the log and one group; the folder is kept with them.
fn lives(retention_days: Option<u32>) -> (tempfile::TempDir, Vec<Life>) {
    outside(|| opened(retention_days))
}

fn opened(retention_days: Option<u32>) -> (tempfile::TempDir, Vec<Life>) {
    let folder = tempfile::tempdir().unwrap();
    let metas = [Meta::in_memory(), Meta::open(&folder.path().join("meta.redb")).unwrap()];
    let life = |meta: Meta| {
        let (disk, manifest) = (FaultyDisk::new(1), MemoryManifest::default());
        let keys = Arc::new(MemoryKeys::new(1));
        let store = Store::open(Options::default(), Arc::new(disk), Arc::new(manifest), keys).unwrap();
        let wrapping = Keyring::open(&meta, crate::keyring::tests::wrapping()).unwrap().wrapping();
        let record = GroupRecord {
            id: 0,
            name: "/out".to_owned(),
            scope: Scope { account: "000000000000".to_owned(), region: "eu-west-1".to_owned() },
            created_ms: 0,
            retention_days,
            class: "STANDARD".to_owned(),
            tags: BTreeMap::new(),
            kms_key: None,
        };
        let group =
            meta.change_blocking(move |tx| groups::insert(tx, record, &wrapping).map_err(MetaError::from));
        Life { group: group.unwrap(), meta, store: Arc::new(store) }
    };
    (folder, metas.into_iter().map(life).collect())
}

impl Life {
    fn intend(&self, events: &[(i64, &str)]) -> Intent {
        let (store, group, events) =
            (Arc::clone(&self.store), self.group.clone(), Events::from(events.to_vec()));
        let intended = move |tx: &mut Tx<'_>| intend(&store, tx, &group, "s", (1, &events, NOW_MS));
        outside(|| self.meta.change_blocking(intended)).unwrap()
    }

    async fn append(&self, batch: Batch) {
        let store = Arc::clone(&self.store);
        App::blocking(move || store.append_wait(batch)).await.unwrap();
    }

    /// One try to settle, as [`settle`] does it; the log takes nothing while it is `full`.
    async fn settle(&self, intent: &Intent, full: bool) -> bool {
        let which = intent.which();
        if let Some((intent, since_ms)) = missing(&self.meta, &self.store, which, NOW_MS).await.unwrap() {
            if full {
                return false;
            }
            self.append(intent.batch(since_ms)).await;
        }
        self.meta.change(move |tx| forget(tx, &[which])).await.unwrap();
        true
    }

    fn rows(&self) -> usize {
        let count = |tx: &mut Tx<'_>| Ok::<_, MetaError>(tx.scan(&INTENTS, &Span::all())?.count());
        self.meta.read(count).unwrap()
    }

    fn logged(&self) -> Vec<String> {
        let (from, to) = (Position::at(0), self.store.durable_position());
        let page = self.store.scan_by_position(from, to, PAGE, None).unwrap();
        page.events().into_iter().map(|event| String::from_utf8(event.message.to_vec()).unwrap()).collect()
    }
}

#[tokio::test]
async fn what_is_not_in_the_log_is_put_there_once() {
    for life in lives(None).1 {
        let intent = life.intend(&[(NOW_MS, "b"), (NOW_MS - 1, "a")]);
        assert!(life.settle(&intent, false).await);
        assert_eq!((life.logged(), life.rows()), (vec!["a".to_owned(), "b".to_owned()], 0));
        assert!(life.settle(&intent, false).await, "nothing is left to be done");
        assert_eq!(life.logged().len(), 2);
    }
}

#[tokio::test]
async fn what_is_in_the_log_already_is_only_forgotten() {
    for life in lives(None).1 {
        let intent = life.intend(&[(NOW_MS, "a"), (NOW_MS, "b")]);
        life.append(intent.batch(i64::MIN)).await;
        assert_eq!(life.rows(), 1);
        assert!(life.settle(&intent, false).await);
        assert_eq!((life.logged().len(), life.rows()), (2, 0));
    }
}

#[tokio::test]
async fn equal_events_of_another_call_or_client_are_not_mistaken_for_it() {
    for life in lives(None).1 {
        let client = Batch { ingestion_ms: NOW_MS, ..life.intend(&[(NOW_MS, "x")]).batch(i64::MIN) };
        let [first, second] = [life.intend(&[(NOW_MS, "x")]), life.intend(&[(NOW_MS, "x")])];
        // The client's came before the calls ended in part, and a call before another.
        life.append(client).await;
        life.append(second.batch(i64::MIN)).await;
        for intent in [&first, &second] {
            assert!(life.settle(intent, false).await);
        }
        assert_eq!((life.logged().len(), life.rows()), (3, 1));
        let longer = life.intend(&[(NOW_MS, "x"), (NOW_MS, "y")]);
        let shorter = Batch { events: Events::from(vec![(NOW_MS, "x")]), ..longer.batch(i64::MIN) };
        life.append(shorter).await;
        assert!(life.settle(&longer, false).await);
        assert_eq!(life.logged().len(), 6, "part of a batch is not the batch");
    }
}

#[tokio::test]
async fn what_the_log_does_not_take_waits() {
    for life in lives(None).1 {
        let intent = life.intend(&[(NOW_MS, "a")]);
        assert!(!life.settle(&intent, true).await);
        assert_eq!((life.logged().len(), life.rows()), (0, 1));
        assert!(life.settle(&intent, false).await);
        assert_eq!((life.logged().len(), life.rows()), (1, 0));
    }
}

#[tokio::test]
async fn nothing_is_written_for_a_group_that_is_gone() {
    for life in lives(None).1 {
        let intent = life.intend(&[(NOW_MS, "a")]);
        let group = life.group.clone();
        outside(|| life.meta.change_blocking(move |tx| groups::remove(tx, &group, NOW_MS))).unwrap();
        assert!(life.settle(&intent, false).await);
        assert_eq!((life.logged().len(), life.rows()), (0, 0));
    }
}

#[tokio::test]
async fn what_retention_takes_is_neither_missed_nor_written_again() {
    for life in lives(Some(1)).1 {
        let old_ms = NOW_MS - DAY_MS - 1;
        let intent = life.intend(&[(old_ms, "old"), (NOW_MS, "new")]);
        // As a log that retention was at.
        life.append(intent.batch(NOW_MS)).await;
        assert!(life.settle(&intent, false).await);
        let gone = life.intend(&[(old_ms, "older")]);
        assert!(life.settle(&gone, false).await);
        let late = life.intend(&[(old_ms, "old"), (NOW_MS, "late")]);
        assert!(life.settle(&late, false).await);
        assert_eq!((life.logged(), life.rows()), (vec!["new".to_owned(), "late".to_owned()], 0));
    }
}
