from tasks.reporting import html, plots


def test_tables_and_pictures_are_in_the_page_itself() -> None:
    picture = plots.data_url(b"\x89PNG")
    page = html.page("run", f"# Title\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n![p]({picture})\n")
    assert "<td>1</td>" in page
    assert f'<img src="{picture}"' in page
    assert "http" not in page
    assert "<script" not in page


def test_names_from_models_cannot_inject_html() -> None:
    page = html.page("<b>", "| <script>alert(1)</script> |\n| --- |\n| $body |\n")
    assert "<title>&lt;b&gt;</title>" in page
    assert "<script>" not in page
    assert "$body" in page
