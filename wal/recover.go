package wal

// Case is one row of the recovery table: a thing that Open can find on disk. Every file is looked at before anything
// is changed; any case that is damage makes Open return a *CorruptError and change nothing (I7).
type Case int

// What Open can find. The first group is what a crash, or nothing at all, leaves behind; the second is damage.
const (
	// CaseNew: the directory holds no log. One is made.
	CaseNew Case = iota
	// CaseUnfinished: a crash while the log was being made. It holds nothing; the making is finished.
	CaseUnfinished
	// CaseLeftover: temporary files, a segment that had been dropped, or one that had not been taken into use.
	// They are removed.
	CaseLeftover
	// CaseSealed: a segment ends exactly where the first batch of the next one says that it ends.
	CaseSealed
	// CaseEnd: nothing follows the last batch.
	CaseEnd
	// CaseMarkedEnd: a mark follows the last batch, so that it is known to have been synced.
	CaseMarkedEnd
	// CaseTorn: the last batch's header is there and its payload is not whole, and nothing shows that it had ever
	// been synced. It is cut away with a warning; nothing says that it was ever synced.
	CaseTorn
	// CaseUnreadable: bytes that are neither a batch nor a mark follow the last batch: the remains of a write whose
	// beginning did not reach the disk, or of the segment's former life. They are cut away.
	CaseUnreadable

	// CaseDamagedMiddle: a batch is bad and a good one follows, which was only written after the bad one was synced.
	CaseDamagedMiddle
	// CaseDamagedAcked: the last batch is bad and the mark behind it shows that it had been synced.
	CaseDamagedAcked
	// CaseDamagedSealed: a segment does not reach the end that the next one states.
	CaseDamagedSealed
	// CaseBrokenChain: a batch with matching checksums does not follow the one before it.
	CaseBrokenChain
	// CaseMissing: a segment that the manifest names is not there, or empty where it cannot be.
	CaseMissing
	// CaseForeign: a file belongs to another log.
	CaseForeign
	// CaseMisnamed: a segment's name and header disagree: it was copied or renamed.
	CaseMisnamed
	// CaseStray: a segment newer than any that the manifest allows.
	CaseStray
	// CaseBadHeader: a segment's header is absent or damaged.
	CaseBadHeader
	// CaseUnknownVersion: a file was written by a program of another format version.
	CaseUnknownVersion
	// CaseManifestMissing: there are segments or a stable file, and no manifest.
	CaseManifestMissing
	// CaseManifestDamaged: the manifest does not match its checksum.
	CaseManifestDamaged
	// CaseStableMissing: the file with term and vote is not there.
	CaseStableMissing
	// CaseStableDamaged: the file with term and vote does not match its checksum.
	CaseStableDamaged

	caseCount
)

var caseNames = [caseCount]string{
	CaseNew: "new", CaseUnfinished: "unfinished", CaseLeftover: "leftover", CaseSealed: "sealed", CaseEnd: "end",
	CaseMarkedEnd: "marked end", CaseTorn: "torn", CaseUnreadable: "unreadable end",
	CaseDamagedMiddle: "damaged middle", CaseDamagedAcked: "damaged acknowledged batch",
	CaseDamagedSealed: "damaged sealed segment", CaseBrokenChain: "broken chain", CaseMissing: "missing segment",
	CaseForeign: "foreign file", CaseMisnamed: "misnamed segment", CaseStray: "stray segment",
	CaseBadHeader: "bad header", CaseUnknownVersion: "unknown version", CaseManifestMissing: "manifest missing",
	CaseManifestDamaged: "manifest damaged", CaseStableMissing: "stable missing", CaseStableDamaged: "stable damaged",
}

// String names the case in a few words.
func (c Case) String() string {
	if c < 0 || c >= caseCount {
		return "unknown case"
	}
	return caseNames[c]
}

// endFacts is what there is to see where a segment's run of good batches stops.
type endFacts struct {
	sealed     bool // the next segment has a first batch, so this one was finished
	linked     bool // that batch names this end and this last batch
	laterBatch bool // the header of a batch of this generation is found further on
	laterMark  bool // a mark is found further on
	header     bool // the header of a batch of this generation stands here, its payload is bad
	mark       bool // a mark that names the last batch stands here
	blank      bool // nothing but zeros, or the end of the file, where a batch header would be
}

// endRow is a row of the table: the facts that must hold, those that must not, and what it means.
type endRow struct {
	must, mustNot endFacts
	kase          Case
}

// endTable decides what the end of a segment means. Exactly one row matches whatever the facts are; the test goes
// through all of them.
var endTable = []endRow{
	{must: endFacts{sealed: true, linked: true}, kase: CaseSealed},
	{must: endFacts{sealed: true}, mustNot: endFacts{linked: true}, kase: CaseDamagedSealed},
	{must: endFacts{laterBatch: true}, mustNot: endFacts{sealed: true}, kase: CaseDamagedMiddle},
	{must: endFacts{laterMark: true}, mustNot: endFacts{sealed: true, laterBatch: true}, kase: CaseDamagedAcked},
	{must: endFacts{header: true}, mustNot: endFacts{sealed: true, laterBatch: true, laterMark: true}, kase: CaseTorn},
	{must: endFacts{mark: true},
		mustNot: endFacts{sealed: true, laterBatch: true, laterMark: true, header: true}, kase: CaseMarkedEnd},
	{must: endFacts{blank: true},
		mustNot: endFacts{sealed: true, laterBatch: true, laterMark: true, header: true, mark: true}, kase: CaseEnd},
	{mustNot: endFacts{sealed: true, laterBatch: true, laterMark: true, header: true, mark: true, blank: true},
		kase: CaseUnreadable},
}

// bits puts the facts in a row, for comparing them.
func (f endFacts) bits() (b uint8) {
	for i, set := range []bool{f.sealed, f.linked, f.laterBatch, f.laterMark, f.header, f.mark, f.blank} {
		if set {
			b |= 1 << i
		}
	}
	return b
}

func (r endRow) matches(f endFacts) bool {
	must, mustNot := r.must.bits(), r.mustNot.bits()
	return f.bits()&must == must && f.bits()&mustNot == 0
}

// classifyEnd returns the one row's case.
func classifyEnd(f endFacts) Case {
	for _, row := range endTable {
		if row.matches(f) {
			return row.kase
		}
	}
	return CaseDamagedMiddle // not reached, see TestEndTable; if it were, refusing is the safe answer
}
