from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]

    operations = [
        migrations.RemoveIndex(model_name="message", name="chat_turns_by_time"),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                fields=["conversation", "created"], name="chat_recent_turns", condition=models.Q(kind="user")
            ),
        ),
    ]
