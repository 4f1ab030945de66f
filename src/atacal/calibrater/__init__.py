"""What happens between reading visibilities and writing a table: gather sums, solve, condition, make the table."""
