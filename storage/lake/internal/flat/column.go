package flat

import (
	"fmt"
	"hash/crc32"
	"math"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// file is what a column needs of its file.
type file interface {
	write(data []byte) error
	marshal(structure any) ([]byte, error)
	offset() int64
}

// values are those of one column, without its nulls, from the beginning of a
// page on.
type values interface {
	// add takes the values at these addresses.
	add(at []unsafe.Pointer)
	// size is how many bytes wait, about.
	size() int
	// endPage appends the page to dst and forgets it.
	endPage(dst []byte) (p page, err error)
	// dictionary is the dictionary of the row group, encoded; nil: there is none.
	dictionary() (entries int, data []byte)
	// reset forgets the row group.
	reset()
}

// page is a page of values, encoded.
type page struct {
	data       []byte
	encoding   format.Encoding
	bounded    bool // it has a least and a greatest value
	least      parquet.Value
	greatest   parquet.Value
	textLength int64 // of byte arrays: their bytes
}

// column is one column: its place in a row, and its row group so far.
type column struct {
	offset   uintptr // in a row
	optional bool    // a pointer: nil is null
	path     []string
	kind     format.Type
	order    parquet.Type
	codec    compress.Codec
	pageSize int
	values   values

	// of the page so far
	rows, nulls int
	levels      []byte // 1: a value, 0: null; nothing as long as there is no null

	// of the row group so far
	pages     []byte
	index     parquet.ColumnIndexer
	locations []format.PageLocation
	texts     []int64 // bytes of byte arrays, by page
	histogram []int64 // how many nulls and values, by page; of an optional column
	groupRows int64
	meta      format.ColumnMetaData

	scratch, packed, zip []byte
}

// take takes one field of consecutive rows, the first at base, size apart.
// gather has room for as many addresses as there are rows.
func (c *column) take(base unsafe.Pointer, size uintptr, gather []unsafe.Pointer) {
	c.rows += len(gather)
	if !c.optional {
		for i := range gather {
			gather[i] = unsafe.Add(base, size*uintptr(i))
		}
		c.values.add(gather)
		return
	}
	n := 0
	for i := range gather {
		if p := *(*unsafe.Pointer)(unsafe.Add(base, size*uintptr(i))); p != nil {
			gather[n] = p
			n++
		}
	}
	if n < len(gather) || len(c.levels) > 0 {
		c.takeLevels(base, size, len(gather))
	}
	c.values.add(gather[:n])
}

func (c *column) takeLevels(base unsafe.Pointer, size uintptr, n int) {
	for len(c.levels) < c.rows-n { // all before had values
		c.levels = append(c.levels, 1)
	}
	for i := range n {
		level := byte(1)
		if *(*unsafe.Pointer)(unsafe.Add(base, size*uintptr(i))) == nil {
			level = 0
			c.nulls++
		}
		c.levels = append(c.levels, level)
	}
}

// settle ends the page if it is large enough.
func (c *column) settle(f file) error {
	if c.values.size() < c.pageSize {
		return nil
	}
	return c.endPage(f)
}

// definitionLevels tells which values of the page are null.
func (c *column) definitionLevels() ([]byte, error) {
	if !c.optional {
		return nil, nil
	}
	if len(c.levels) == 0 { // one run of ones
		c.scratch = append(appendUvarint(c.scratch[:0], uint64(c.rows)<<1), 1)
		return c.scratch, nil
	}
	var err error
	c.scratch, err = (&rle.Encoding{BitWidth: 1}).EncodeLevels(c.scratch[:0], c.levels)
	return c.scratch, err
}

// endPage encodes what waits as a page.
func (c *column) endPage(f file) error {
	if c.rows == 0 {
		return nil
	}
	p, err := c.values.endPage(c.packed[:0])
	if err != nil {
		return fmt.Errorf("encode column %s: %w", c.path[0], err)
	}
	c.packed = p.data
	if len(p.data) > math.MaxInt32/2 {
		return fmt.Errorf("encode column %s: %d bytes are too many for %d rows", c.path[0], len(p.data), c.rows)
	}
	levels, err := c.definitionLevels()
	if err != nil {
		return fmt.Errorf("encode column %s: %w", c.path[0], err)
	}
	packed, err := c.compress(p.data)
	if err != nil {
		return err
	}
	header := format.PageHeader{
		Type:                 format.DataPageV2,
		UncompressedPageSize: int32(len(levels) + len(p.data)),
		CompressedPageSize:   int32(len(levels) + len(packed)),
		CRC:                  int32(crc32.Update(crc32.ChecksumIEEE(levels), crc32.IEEETable, packed)), //nolint:gosec // the format's
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
			NumValues: int32(c.rows), NumNulls: int32(c.nulls), NumRows: int32(c.rows), Encoding: p.encoding,
			DefinitionLevelsByteLength: int32(len(levels)), IsCompressed: thrift.New(c.compressed()),
		}),
	}
	at := len(c.pages)
	if err := c.addPage(f, &header, levels, packed); err != nil {
		return err
	}
	c.locations = append(c.locations, format.PageLocation{
		Offset: int64(at), CompressedPageSize: int32(len(c.pages) - at), FirstRowIndex: c.groupRows,
	})
	c.count(p)
	c.rows, c.nulls, c.levels = 0, 0, c.levels[:0]
	return nil
}

// count takes the page into what is told of the row group.
func (c *column) count(p page) {
	c.index.IndexPage(int64(c.rows), int64(c.nulls), p.least, p.greatest)
	c.texts = append(c.texts, p.textLength)
	if c.optional {
		c.histogram = append(c.histogram, int64(c.nulls), int64(c.rows-c.nulls))
	}
	c.groupRows += int64(c.rows)
	m := &c.meta
	m.NumValues += int64(c.rows)
	m.Statistics.NullCount += int64(c.nulls)
	m.SizeStatistics.UnencodedByteArrayDataBytes += p.textLength
	c.stat(format.DataPageV2, p.encoding)
	if !p.bounded {
		return
	}
	if s := &m.Statistics; s.MinValue == nil || c.order.Compare(p.least, c.order.Kind().Value(s.MinValue)) < 0 {
		s.MinValue = p.least.AppendBytes([]byte{})
	}
	if s := &m.Statistics; s.MaxValue == nil || c.order.Compare(p.greatest, c.order.Kind().Value(s.MaxValue)) > 0 {
		s.MaxValue = p.greatest.AppendBytes([]byte{})
	}
}

func (c *column) stat(of format.PageType, encoding format.Encoding) {
	for i := range c.meta.EncodingStats {
		if s := &c.meta.EncodingStats[i]; s.PageType == of && s.Encoding == encoding {
			s.Count++
			return
		}
	}
	c.meta.EncodingStats = append(c.meta.EncodingStats, format.PageEncodingStats{PageType: of, Encoding: encoding, Count: 1})
}

// addPage adds a page to those of the row group.
func (c *column) addPage(f file, header *format.PageHeader, levels, packed []byte) error {
	text, err := f.marshal(header)
	if err != nil {
		return err
	}
	c.pages = append(append(append(c.pages, text...), levels...), packed...)
	c.meta.TotalCompressedSize += int64(len(text)) + int64(header.CompressedPageSize)
	c.meta.TotalUncompressedSize += int64(len(text)) + int64(header.UncompressedPageSize)
	return nil
}

func (c *column) compressed() bool { return c.codec.CompressionCodec() != format.Uncompressed }

func (c *column) compress(data []byte) ([]byte, error) {
	if !c.compressed() {
		return data, nil
	}
	packed, err := c.codec.Encode(c.zip[:0], data)
	if err != nil {
		return nil, fmt.Errorf("compress column %s: %w", c.path[0], err)
	}
	c.zip = packed
	return packed, nil
}

// endChunk writes the row group's dictionary and pages.
func (c *column) endChunk(f file) (format.ColumnChunk, pageIndex, error) {
	begin := f.offset()
	dataAt := int64(0) // of the first page, from begin on
	if entries, data := c.values.dictionary(); data != nil {
		pages := c.pages
		c.pages = nil
		packed, err := c.compress(data)
		if err != nil {
			return format.ColumnChunk{}, pageIndex{}, err
		}
		err = c.addPage(f, &format.PageHeader{
			Type: format.DictionaryPage, UncompressedPageSize: int32(len(data)), CompressedPageSize: int32(len(packed)), CRC: int32(crc32.ChecksumIEEE(packed)), //nolint:gosec // the format's
			DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(entries), Encoding: format.Plain}),
		}, nil, packed)
		if err == nil {
			err = f.write(c.pages)
		}
		if err != nil {
			return format.ColumnChunk{}, pageIndex{}, err
		}
		dataAt = int64(len(c.pages))
		c.pages = pages
		c.meta.DictionaryPageOffset = begin
		c.stat(format.DictionaryPage, format.Plain)
	}
	if err := f.write(c.pages); err != nil {
		return format.ColumnChunk{}, pageIndex{}, err
	}
	c.meta.DataPageOffset = begin + dataAt
	c.meta.Type, c.meta.PathInSchema, c.meta.Codec = c.kind, c.path, c.codec.CompressionCodec()
	c.meta.Encoding = []format.Encoding{}
	for _, s := range c.meta.EncodingStats {
		c.meta.Encoding = append(c.meta.Encoding, s.Encoding)
	}
	if c.optional {
		c.meta.Encoding = append(c.meta.Encoding, format.RLE) // of definition levels
		nulls := c.meta.Statistics.NullCount
		c.meta.SizeStatistics.DefinitionLevelHistogram = []int64{nulls, c.meta.NumValues - nulls}
	}
	c.meta.Encoding = distinct(c.meta.Encoding)
	return format.ColumnChunk{MetaData: c.meta}, c.pageIndex(), nil
}

// pageIndex tells of the pages, once it is known where they are.
func (c *column) pageIndex() pageIndex {
	index := pageIndex{columns: c.index.ColumnIndex()}
	for i := range c.locations {
		c.locations[i].Offset += c.meta.DataPageOffset
	}
	index.offsets.PageLocations = c.locations
	if c.kind == format.ByteArray {
		index.offsets.UnencodedByteArrayDataBytes = c.texts
	}
	if c.optional {
		index.columns.DefinitionLevelHistogram = c.histogram
	}
	index.columns = cloneIndex(index.columns)
	return index
}

// reset forgets the row group, and what waits.
func (c *column) reset() {
	c.values.reset()
	c.index.Reset()
	c.rows, c.nulls, c.levels, c.pages = 0, 0, c.levels[:0], c.pages[:0]
	c.locations, c.texts, c.histogram, c.groupRows, c.meta = nil, nil, nil, 0, format.ColumnMetaData{}
}
