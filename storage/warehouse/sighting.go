package warehouse

// order is where a record stands beside another of its event, or of its payment.
type order int

// The orders, as the statements tell them.
const (
	absent  order = iota // there is no other
	earlier              // the other comes before it
	itself               // the other is this very record
	later                // the other comes after it
)

// sighting is where the audit has seen a record, and how the places agree about it.
type sighting struct {
	lake, bronze, rejected bool
	loaded, loadDue        bool  // its file is loaded to the end; must be
	replaced               bool  // bronze has it of a file that was replaced, and that is not taken out yet
	dropped                bool  // its event lies before what is kept in bronze
	same                   bool  // bronze has in each column what the lake has
	event                  order // the row that bronze has of its event, where bronze has not the record itself
	gold                   order // the row that Gold has of its payment, where bronze has the record
	goldSame               bool  // Gold has in each column what bronze has
	built, buildDue        bool  // its load is built and published; must be
}

// fate is what became of a record.
type fate int

const (
	unknown    fate = iota // wrong, and in none of the books
	inGold                 // its payment's row in Gold is it
	superseded             // its payment has a later one
	unbuilt                // in bronze, to be built
	duplicate              // another record stands for its event
	rejected               // the database refused it
	unloaded               // in the lake, to be loaded
	expired                // dropped from bronze with its month
	unremoved              // no longer in the lake, to be taken out of bronze
)

// judge says what became of a record, and, where something is wrong with it, what and in which place.
func judge(s sighting) (what fate, where Place, wrong string) {
	waits := s.lake && !s.loaded && !s.loadDue
	switch {
	case !s.lake && s.replaced && !s.loadDue:
		return unremoved, "", ""
	case !s.lake && s.bronze:
		return unknown, InLake, "bronze has it, the lake has not"
	case !s.lake:
		return unknown, InLake, "bronze.rejected has it, the lake has not"
	case s.bronze && s.rejected:
		return unknown, InBronze, "it is both in bronze and in bronze.rejected"
	case s.rejected:
		return rejected, "", ""
	case !s.bronze && s.event == later:
		return duplicate, "", ""
	case !s.bronze && waits:
		return unloaded, "", ""
	case !s.bronze && s.dropped:
		return expired, "", ""
	case !s.bronze && s.event == earlier:
		return unknown, InBronze, "an earlier record stands for its event"
	case !s.bronze:
		return unknown, InBronze, "the lake has it, bronze has not"
	case !s.same && waits:
		return unloaded, "", ""
	case !s.same:
		return unknown, InBronze, "bronze differs from the lake"
	}
	return judgeGold(s)
}

// judgeGold goes on for a record that is in bronze as it should be.
func judgeGold(s sighting) (what fate, where Place, wrong string) {
	waits := !s.built && !s.buildDue
	switch {
	case s.gold == itself && s.goldSame:
		return inGold, "", ""
	case s.gold == later:
		return superseded, "", ""
	case waits:
		return unbuilt, "", ""
	case s.gold == absent:
		return unknown, InGold, "bronze has it, Gold has no row of its payment"
	case s.gold == earlier:
		return unknown, InGold, "Gold's row of its payment is of an earlier record"
	default:
		return unknown, InGold, "Gold differs from bronze"
	}
}
