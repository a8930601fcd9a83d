package flat

import (
	"hash/maphash"
	"math"
	"strings"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/format"
)

// maxDictionary is how many bytes a dictionary may have: with more, it does not
// pay, and the rest of the row group goes without.
const maxDictionary = 256 << 10

// dictionary holds the values of a BYTE_ARRAY column of few distinct strings:
// each once, in RLE_DICTIONARY.
type dictionary struct {
	seed    maphash.Seed
	entries []entry
	data    []byte  // of all entries, in PLAIN
	table   []int32 // by hash: 1 + an entry; of a size that is a power of two
	indexes []int32 // the page
	bytes   int64   // of the page's values
	pages   uint32  // so many ended before
	full    bool
	rest    texts // the page, when the dictionary is full
}

type entry struct {
	text string
	hash uint64
	page uint32 // 1 + the last page that has it
}

func newDictionary() *dictionary {
	return &dictionary{seed: maphash.MakeSeed(), table: make([]int32, 64)}
}

func (d *dictionary) add(at []unsafe.Pointer) {
	if d.full {
		d.rest.add(at)
		return
	}
	for _, p := range at {
		s := *(*string)(p)
		i := d.index(s)
		d.entries[i].page = d.pages + 1
		d.indexes = append(d.indexes, i)
		d.bytes += int64(len(s))
	}
}

// index finds a string's entry, or makes it.
func (d *dictionary) index(s string) int32 {
	hash := maphash.String(d.seed, s)
	mask := uint64(len(d.table) - 1)
	at := hash & mask
	for ; d.table[at] != 0; at = (at + 1) & mask {
		i := d.table[at] - 1
		if d.entries[i].hash == hash && d.entries[i].text == s {
			return i
		}
	}
	i := int32(len(d.entries))
	d.entries = append(d.entries, entry{text: strings.Clone(s), hash: hash})
	d.data = append(d.data, byte(len(s)), byte(len(s)>>8), byte(len(s)>>16), byte(len(s)>>24))
	d.data = append(d.data, s...)
	d.table[at] = i + 1
	if len(d.entries)*2 > len(d.table) {
		d.grow()
	}
	return i
}

func (d *dictionary) grow() {
	d.table = make([]int32, 4*len(d.table))
	mask := uint64(len(d.table) - 1)
	for i, e := range d.entries {
		at := e.hash & mask
		for d.table[at] != 0 {
			at = (at + 1) & mask
		}
		d.table[at] = int32(i) + 1
	}
}

// size is large enough to end the page when the dictionary is: what follows is
// of another encoding.
func (d *dictionary) size() int {
	if d.full {
		return d.rest.size()
	}
	if len(d.data) > maxDictionary {
		return math.MaxInt
	}
	return 4 * len(d.indexes)
}

func (d *dictionary) endPage(dst []byte) (p page, err error) {
	if d.full {
		return d.rest.endPage(dst)
	}
	p.encoding, p.textLength = format.RLEDictionary, d.bytes
	if p.data, err = new(rle.DictionaryEncoding).EncodeInt32(dst, d.indexes); err != nil {
		return page{}, err
	}
	if p.bounded = len(d.indexes) > 0; p.bounded {
		least, greatest := d.bounds()
		p.least, p.greatest = parquet.ByteArrayValue([]byte(least)), parquet.ByteArrayValue([]byte(greatest))
	}
	d.pages++
	d.indexes, d.bytes, d.full = d.indexes[:0], 0, len(d.data) > maxDictionary
	return p, nil
}

// bounds are the least and the greatest of the entries that the page has.
func (d *dictionary) bounds() (least, greatest string) {
	first := true
	for _, e := range d.entries {
		switch {
		case e.page != d.pages+1:
		case first:
			least, greatest, first = e.text, e.text, false
		case e.text < least:
			least = e.text
		case e.text > greatest:
			greatest = e.text
		}
	}
	return least, greatest
}

// dictionary is there if a page refers to it, be it without entries, as that of
// nothing but nulls.
func (d *dictionary) dictionary() (int, []byte) {
	if d.pages == 0 {
		return 0, nil
	}
	return len(d.entries), append([]byte{}, d.data...)
}

func (d *dictionary) reset() {
	d.rest.reset()
	clear(d.table)
	clear(d.entries)
	d.entries, d.data, d.indexes, d.bytes, d.pages, d.full = d.entries[:0], d.data[:0], d.indexes[:0], 0, 0, false
}
