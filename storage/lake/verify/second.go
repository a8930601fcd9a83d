package verify

import (
	"errors"
	"fmt"
	"os"

	format "github.com/xitongsys/parquet-go/parquet"
	"github.com/xitongsys/parquet-go/reader"
	"github.com/xitongsys/parquet-go/source"
)

// rowsAtOnce bounds what the second library holds in memory of a column.
const rowsAtOnce = 65_536

// second reads a file with a library that did not write it. It may panic, also where nobody can recover.
func second(path string) (Reading, error) {
	f, err := openSource(path)
	if err != nil {
		return Reading{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	pr, err := reader.NewParquetColumnReader(f, 1)
	if err != nil {
		return Reading{}, err
	}
	defer pr.ReadStop()
	r := Reading{Rows: pr.GetNumRows()}
	at := int64(0)
	for _, element := range pr.Footer.Schema[1:] {
		if element.NumChildren != nil && *element.NumChildren > 0 {
			return Reading{}, fmt.Errorf("column %s is a group: a lake's files are flat", element.Name)
		}
		name := pr.SchemaHandler.GetExName(int(at) + 1)
		g := newGauge(name, secondScale(element))
		if err := secondColumn(pr, at, r.Rows, g); err != nil {
			return Reading{}, fmt.Errorf("column %s: %w", name, err)
		}
		r.Columns = append(r.Columns, g.end())
		at++
	}
	return r, nil
}

// secondScale is the scale of a decimal, -1 for any other type.
func secondScale(e *format.SchemaElement) int {
	if t := e.LogicalType; t != nil && t.DECIMAL != nil {
		return int(t.DECIMAL.Scale)
	}
	return -1
}

func secondColumn(pr *reader.ParquetReader, column, rows int64, g *gauge) error {
	for done := int64(0); done < rows; {
		values, _, _, err := pr.ReadColumnByIndex(column, min(rowsAtOnce, rows-done))
		if err != nil {
			return err
		}
		if len(values) == 0 {
			return fmt.Errorf("%d of %d rows", done, rows)
		}
		for _, v := range values {
			if err := secondValue(g, v); err != nil {
				return err
			}
		}
		done += int64(len(values))
	}
	return nil
}

func secondValue(g *gauge, v any) error {
	switch v := v.(type) {
	case nil:
		g.null()
	case bool:
		g.bool(v)
	case int32:
		g.int(int64(v))
	case int64:
		g.int(v)
	case float64:
		g.float(v)
	case string:
		g.bytes([]byte(v))
	default:
		return fmt.Errorf("a value of type %T, which no lake file has", v)
	}
	return nil
}

// file is a file on disk as that library wants it.
type file struct {
	*os.File
	path string
}

func openSource(path string) (source.ParquetFile, error) {
	f, err := os.Open(path) //nolint:gosec // of the lake
	if err != nil {
		return nil, err
	}
	return file{f, path}, nil
}

// Open implements source.ParquetFile; an empty name is the same file again.
func (f file) Open(name string) (source.ParquetFile, error) {
	if name == "" {
		name = f.path
	}
	return openSource(name)
}

// Create implements source.ParquetFile.
func (file) Create(string) (source.ParquetFile, error) {
	return nil, errors.New("verify: nothing is written")
}
