# Picture.pm - the pictures of the report as SVG text: points of time against memory, and bars of a group.
#
# Colours are fixed per malloc; every mark has its name beside it, so that colour is never the only difference. White
# ground, dark text: they are shown on light and dark pages alike.
package Picture;
use strict;
use warnings;
use Figures;

my %COLOUR = (cairn => '#c1121f', glibc => '#6c757d', mimalloc3 => '#1d4e89', mimalloc2 => '#5fa8d3',
	jemalloc => '#2a9d8f', tcmalloc => '#e9a03b', snmalloc => '#8a5a9e', rpmalloc => '#7a8f3c');
my @MORE = ('#000000', '#b56576', '#457b9d', '#606c38');

sub colour {
	my ($result, $malloc) = @_;
	return $COLOUR{$malloc} if $COLOUR{$malloc};
	my @others = grep { !$COLOUR{$_} } @{ $result->{mallocs} };
	my ($at) = grep { $others[$_] eq $malloc } 0 .. $#others;
	return $MORE[$at % @MORE];
}

sub open_svg {
	my ($width, $height, $title) = @_;
	return qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height" width="$width" } .
		qq{height="$height" font-family="sans-serif" font-size="12" role="img"><title>$title</title>\n} .
		qq{<rect width="100%" height="100%" fill="#ffffff"/>\n};
}

sub text {
	my ($x, $y, $string, %how) = @_;
	my $more = join ' ', map { qq{$_="$how{$_}"} } sort keys %how;
	$string =~ s/&/&amp;/g;
	$string =~ s/</&lt;/g;
	return sprintf qq{<text x="%.1f" y="%.1f" fill="#222222" %s>%s</text>\n}, $x, $y, $more, $string;
}

sub stroke {
	my ($x1, $y1, $x2, $y2, $colour) = @_;
	return sprintf qq{<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>\n}, $x1, $y1, $x2, $y2, $colour;
}

sub rectangle {
	my ($x, $y, $width, $height, $colour, $title) = @_;
	return sprintf qq{<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s">%s</rect>\n},
		$x, $y, $width, $height, $colour, defined $title ? "<title>$title</title>" : '';
}

# Round steps for an axis from 0 or 1 up: about six of them.
sub step {
	my ($span) = @_;
	for my $s (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) {
		return $s if $span / $s <= 7;
	}
	return 10;
}

# ---- time against resident memory: two panels, real programs and macro rows ----

sub points {
	my ($result) = @_;
	my $svg = open_svg(920, 460, 'Time against peak resident memory, each relative to the best peer of each row');
	$svg .= panel($result, 60, 'Real programs', 'real');
	$svg .= panel($result, 520, 'Macro rows', 'macro');
	return $svg . "</svg>\n";
}

sub panel {
	my ($result, $left, $title, @groups) = @_;
	my ($top, $size) = (50, 340);
	my %at;
	for my $m (@{ $result->{mallocs} }) {
		my @p = map { Figures::mean_ratio($result, $m, $_, @groups) } qw(time rss);
		$at{$m} = \@p if defined $p[0] && defined $p[1];
	}
	return text($left, 30, "$title: nothing averaged") unless %at;
	my @low = map { my $i = $_; lowest(1, map { $_->[$i] } values %at) } 0, 1;
	my @high = map { my $i = $_; -lowest(-1.1, map { -$_->[$i] } values %at) } 0, 1;
	my @step = map { step($high[$_] - $low[$_]) } 0, 1;
	@low = map { $step[$_] * int($low[$_] / $step[$_] - 0.2) } 0, 1;
	@high = map { $step[$_] * int($high[$_] / $step[$_] + 1.2) } 0, 1;
	my $x = sub { $left + $size * ($_[0] - $low[0]) / ($high[0] - $low[0]) };
	my $y = sub { $top + $size - $size * ($_[0] - $low[1]) / ($high[1] - $low[1]) };
	my $svg = text($left, 30, $title, 'font-size' => 15, 'font-weight' => 'bold');
	for (my $v = $low[0]; $v < $high[0] + $step[0] / 2; $v += $step[0]) {
		$svg .= stroke($x->($v), $top, $x->($v), $top + $size, '#e5e5e5') .
			text($x->($v), $top + $size + 16, sprintf('%.2f', $v), 'text-anchor' => 'middle');
	}
	for (my $v = $low[1]; $v < $high[1] + $step[1] / 2; $v += $step[1]) {
		$svg .= stroke($left, $y->($v), $left + $size, $y->($v), '#e5e5e5') .
			text($left - 6, $y->($v) + 4, sprintf('%.2f', $v), 'text-anchor' => 'end');
	}
	$svg .= stroke($x->(1), $top, $x->(1), $top + $size, '#222222');
	$svg .= stroke($left, $y->(1), $left + $size, $y->(1), '#222222');
	$svg .= text($left + $size / 2, $top + $size + 36, 'time, geometric mean to the best peer of each row',
		'text-anchor' => 'middle');
	$svg .= text($left, $top - 6, 'peak RSS, likewise');
	return $svg . marks($result, \%at, $x, $y, $left + $size);
}

sub lowest { my ($v, @more) = @_; for (@more) { $v = $_ if $_ < $v } return $v }

# A name stands beside its point, where it lies on the fewest others: points, and names that have their place already.
sub marks {
	my ($result, $at, $x, $y, $right) = @_;
	my %point = map { $_ => [$x->($at->{$_}[0]), $y->($at->{$_}[1])] } keys %$at;
	my %around = map { my ($r, $p) = (radius($_) + 6, $point{$_}); # a name so near a point seems to be that point's
		($_ => [$p->[0] - $r, $p->[1] - $r, $p->[0] + $r, $p->[1] + $r]) } keys %point;
	my @taken;
	my $svg = '';
	for my $m (sort { $at->{$b}[1] <=> $at->{$a}[1] || $a cmp $b } keys %$at) {
		my ($cx, $cy) = @{ $point{$m} };
		my ($best, $least);
		for my $place (places($m, $cx, $cy)) {
			my $overlap = 0;
			$overlap += common($place->{box}, $_) for @taken, map { $around{$_} } grep { $_ ne $m } keys %around;
			$overlap += 1e4 if $place->{box}[2] > $right + 40 || $place->{box}[0] < $right - 380;
			($best, $least) = ($place, $overlap) if !defined $least || $overlap < $least;
		}
		push @taken, $best->{box};
		$svg .= sprintf qq{<circle cx="%.1f" cy="%.1f" r="%d" fill="%s"/>\n}, $cx, $cy, radius($m),
			colour($result, $m);
		$svg .= text(@{ $best->{at} }, $m, 'text-anchor' => $best->{anchor}, 'paint-order' => 'stroke',
			stroke => '#ffffff', 'stroke-width' => 3,
			'font-weight' => $m eq 'cairn' ? 'bold' : 'normal');
	}
	return $svg;
}

sub radius { return $_[0] eq 'cairn' ? 7 : 5 }

# Where the name of a point may stand, the better places first: right, left, above, below, then the corners.
sub places {
	my ($name, $cx, $cy) = @_;
	my ($width, $off) = (7.2 * length $name, radius($name) + 4);
	my @places;
	for my $dy (0, -13, 13, -24, 24) {
		for my $side (1, -1, 0) {
			next if $side == 0 && $dy == 0;
			my $left = $side > 0 ? $cx + $off : $side < 0 ? $cx - $off - $width : $cx - $width / 2;
			my $base = $cy + 4 + $dy + ($side ? 0 : $dy <=> 0);
			push @places, { at => [$side > 0 ? $left : $side < 0 ? $cx - $off : $cx, $base],
				anchor => $side > 0 ? 'start' : $side < 0 ? 'end' : 'middle',
				box => [$left, $base - 10, $left + $width, $base + 3] };
		}
	}
	return @places;
}

sub common {
	my ($a, $b) = @_;
	my $width = ($a->[2] < $b->[2] ? $a->[2] : $b->[2]) - ($a->[0] > $b->[0] ? $a->[0] : $b->[0]);
	my $height = ($a->[3] < $b->[3] ? $a->[3] : $b->[3]) - ($a->[1] > $b->[1] ? $a->[1] : $b->[1]);
	return $width > 0 && $height > 0 ? $width * $height : 0;
}

# ---- bars of a group: each row's mallocs relative to the best peer; what is beyond the right edge says its figure ----

sub bars {
	my ($result, $group, $title) = @_;
	my @rows = grep { $_->{row}{group} eq $group && !$_->{thp} && $_->{time} } @{ $result->{rows} };
	my @m = @{ $result->{mallocs} };
	my ($left, $width, $bar, $gap, $top, $limit) = (150, 640, 7, 12, 70, 2.5);
	my $height = $top + @rows * (@m * $bar + $gap) + 40;
	my $svg = open_svg($left + $width + 60, $height, "$title relative to the best peer of each row");
	$svg .= text($left, 24, "$title, relative to the best peer of each row (shorter is better)", 'font-size' => 15);
	my $at = $left;
	for my $m (@m) {
		$svg .= rectangle($at, 36, 10, 10, colour($result, $m));
		$svg .= text($at + 13, 45, $m);
		$at += 24 + 7 * length $m;
	}
	my $x = sub { $left + $width * $_[0] / $limit };
	for my $v (0, 0.5, 1, 1.5, 2, 2.5) {
		$svg .= stroke($x->($v), $top - 4, $x->($v), $height - 30, $v == 1 ? '#222222' : '#e5e5e5') .
			text($x->($v), $height - 14, sprintf('%.1f', $v), 'text-anchor' => 'middle');
	}
	my $y = $top;
	for my $r (@rows) {
		my $name = $r->{row}{name} . ($r->{time}{tight} ? ' ≈' : '');
		$svg .= text($left - 8, $y + @m * $bar / 2 + 4, $name, 'text-anchor' => 'end');
		for my $m (@m) {
			my $of = $r->{time}{of}{$m};
			my $ratio = $of ? $of->{plain} : 0;
			my $shown = $ratio > $limit ? $limit : $ratio;
			$svg .= rectangle($left, $y, $x->($shown) - $left, $bar - 1, colour($result, $m),
				sprintf '%s %s: %.3f', $r->{row}{name}, $m, $ratio);
			my @end = $of ? () : ($left + 3, 'failed');
			@end = ($x->($limit) + 4, sprintf '%.1f', $ratio) if $ratio > $limit;
			$svg .= text($end[0], $y + $bar - 1, $end[1], 'font-size' => 7.5) if @end;
			$y += $bar;
		}
		$y += $gap;
	}
	return $svg . "</svg>\n";
}

1;
