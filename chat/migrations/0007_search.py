from django.db import migrations, models


class Migration(migrations.Migration):
    """The index itself is no model's table: `chat/search/index.py` makes it after the migrations."""

    dependencies = [("chat", "0006_whole_results")]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="indexed_seq",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
